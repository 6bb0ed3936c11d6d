//! Whether this node is busy, with hysteresis: once it is, it stays so until its load is a quarter below the threshold, so
//! that it does not begin and end with every request.

pub(super) struct Busy {
    begins_at: u32,
    is_busy: bool,
}

impl Busy {
    /// Busy from a load of `begins_at` thousandths on.
    pub(super) fn new(begins_at: u32) -> Busy {
        Busy { begins_at, is_busy: false }
    }

    /// Judges the load of this moment.
    pub(super) fn look(&mut self, load_per_mille: u32) -> bool {
        let threshold = if self.is_busy { self.begins_at - self.begins_at / 4 } else { self.begins_at };
        self.is_busy = load_per_mille >= threshold;
        self.is_busy
    }
}

#[cfg(test)]
mod tests {
    use super::Busy;

    #[test]
    fn it_begins_at_the_threshold_and_ends_well_below() {
        let mut busy = Busy::new(200);
        let seen: Vec<bool> =
            [0, 199, 200, 180, 150, 149, 199, 200].into_iter().map(|load| busy.look(load)).collect();
        assert_eq!(seen, [false, false, true, true, true, false, false, true]);
        assert!(Busy::new(0).look(0), "a threshold of 0 is always reached");
    }
}
