//! Reading forms as Stripe does: `metadata[key]`, `expand[]`, and no parameter that is not known.

use axum::http::StatusCode;
use reqwest::Url;

use super::refusal::Refusal;
use super::store::Metadata;

const MAX_FIELDS: usize = 100;
const MAX_METADATA: usize = 20;
const MAX_METADATA_CHARS: usize = 200;

/// The fields of a body or a query that were not taken yet.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(encoded: &[u8]) -> Result<Form, Refusal> {
        let not_a_form = || Refusal::invalid("form_invalid", "The request is not a form in UTF-8.");
        let text = std::str::from_utf8(encoded).map_err(|_| not_a_form())?;
        let mut url = Url::parse("http://form").map_err(|_| not_a_form())?;
        url.set_query(Some(text));
        let fields: Vec<(String, String)> = url
            .query_pairs()
            .take(MAX_FIELDS + 1)
            .map(|(name, value)| (plain_list(&name), value.into()))
            .collect();
        if fields.len() > MAX_FIELDS {
            return Err(Refusal::invalid("too_many_parameters", "The request has too many parameters."));
        }
        Ok(Form(fields))
    }

    /// Takes a field out. Of several with the same name the last one counts.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let mut value = None;
        self.0.retain_mut(|(field, text)| {
            let taken = field == name;
            if taken {
                value = Some(std::mem::take(text));
            }
            !taken
        });
        value
    }

    pub(super) fn take_all(&mut self, name: &str) -> Vec<String> {
        let (taken, rest) = std::mem::take(&mut self.0).into_iter().partition(|(field, _)| field == name);
        self.0 = rest;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    pub(super) fn take_i64(&mut self, name: &str) -> Result<Option<i64>, Refusal> {
        self.take(name)
            .map(|text| text.parse().map_err(|_| Refusal::parameter(name, "parameter_invalid_integer")))
            .transpose()
    }

    pub(super) fn take_bool(&mut self, name: &str) -> Result<Option<bool>, Refusal> {
        self.take(name)
            .map(|text| text.parse().map_err(|_| Refusal::parameter(name, "parameter_invalid")))
            .transpose()
    }

    pub(super) fn take_metadata(&mut self) -> Result<Metadata, Refusal> {
        let names: Vec<String> = self
            .0
            .iter()
            .map(|(name, _)| name)
            .filter(|name| name.starts_with("metadata["))
            .cloned()
            .collect();
        let mut metadata = Metadata::new();
        for name in names {
            let key = name.strip_prefix("metadata[").and_then(|rest| rest.strip_suffix(']'));
            let value = self.take(&name).unwrap_or_default();
            let fits = value.chars().count() <= MAX_METADATA_CHARS && metadata.len() < MAX_METADATA;
            match key {
                Some(key) if fits && !key.is_empty() && key.len() <= 40 && !key.contains('[') => {
                    metadata.insert(key.to_owned(), value);
                }
                _ => return Err(Refusal::parameter("metadata", "parameter_invalid")),
            }
        }
        Ok(metadata)
    }

    /// Refuses what is left: a client that sends unknown parameters is mistaken about something.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(80).collect();
                let message = format!("Received unknown parameter: {name}");
                let status = StatusCode::BAD_REQUEST;
                Err(Refusal::new(status, "invalid_request_error", "parameter_unknown", &message))
            }
        }
    }
}

/// `expand[0]`, as some clients write lists, is `expand[]`.
fn plain_list(name: &str) -> String {
    let indexed = name.strip_suffix(']').and_then(|rest| rest.split_once('['));
    match indexed {
        Some((list, index))
            if list != "metadata" && !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            format!("{list}[]")
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn forms_are_read_as_clients_write_them() {
        let mut form =
            Form::parse(b"expand%5B0%5D=a&expand[]=b&metadata[order]=x+y&metadata[1]=z&n=5&n=6").unwrap();
        assert_eq!(form.take_all("expand[]"), ["a", "b"]);
        let metadata = form.take_metadata().unwrap();
        assert_eq!((metadata["order"].as_str(), metadata["1"].as_str()), ("x y", "z"));
        assert_eq!(form.take_i64("n").unwrap(), Some(6));
        form.finish().unwrap();
    }

    #[test]
    fn what_is_no_form_or_not_known_is_refused() {
        assert!(Form::parse(b"\xff").is_err());
        assert!(Form::parse("a=1&".repeat(101).as_bytes()).is_err());
        assert!(Form::parse(b"bogus=1").unwrap().finish().is_err());
        assert!(Form::parse(b"n=x").unwrap().take_i64("n").is_err());
        for metadata in [
            "metadata[]=1".to_owned(),
            "metadata[a][b]=1".to_owned(),
            format!("metadata[a]={}", "x".repeat(201)),
        ] {
            assert!(Form::parse(metadata.as_bytes()).unwrap().take_metadata().is_err(), "{metadata}");
        }
    }
}
