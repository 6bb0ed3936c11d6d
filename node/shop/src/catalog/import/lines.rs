/// Counts lines up to the beginnings of records, for errors: what the CSV reader calls the line of a record is that of
/// the line break before it when lines end in CR LF.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    file: &'a [u8],
    counted: usize,
    line: u32,
}

impl<'a> Lines<'a> {
    pub(super) fn of(file: &'a [u8]) -> Self {
        Self { file, counted: 0, line: 1 }
    }

    /// The line, from 1, of the record that is found from `byte` on. Asked in the order of the records.
    pub(super) fn at(&mut self, byte: u64) -> u32 {
        let from = usize::try_from(byte).unwrap_or(usize::MAX).min(self.file.len());
        let breaks = self.file[from..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let begin = from + breaks;
        for at in self.counted..begin {
            let ends = match self.file[at] {
                b'\n' => true,
                b'\r' => self.file.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            self.line = self.line.saturating_add(u32::from(ends));
        }
        self.counted = self.counted.max(begin);
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn every_kind_of_line_break_counts_once() {
        for file in ["ab\ncd\n\nef", "ab\r\ncd\r\n\r\nef", "ab\rcd\r\ref"] {
            let mut lines = Lines::of(file.as_bytes());
            let at = |text: &str| file.find(text).unwrap() as u64;
            let before = |text: &str| at(text) - 1;
            assert_eq!(
                [lines.at(at("ab")), lines.at(before("cd")), lines.at(before("ef"))],
                [1, 2, 4],
                "{file:?}"
            );
            assert_eq!(lines.at(u64::MAX), 4);
        }
    }
}
