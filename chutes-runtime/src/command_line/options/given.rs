//! From the texts of an option to the value of its field, and to the data.

use std::ffi::OsString;

use chutes_console::Problem;
use chutes_core::Json;

use crate::command_line::fields::{Field, Shape};

/// An option with the texts that were typed for it.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    pub(super) option: &'a str,
    pub(super) field: &'a Field,
    pub(super) texts: Vec<OsString>,
}

impl Given<'_> {
    pub(crate) fn path(&self) -> &[String] {
        &self.field.path
    }

    /// The value of the field.
    pub(crate) fn value(&self) -> Result<Json, Problem> {
        self.read().map_err(|problem| Problem::wrong(format!("--{}: {problem}", self.option)))
    }

    fn read(&self) -> Result<Json, String> {
        let text = |text: &OsString| match text.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err("the value is not UTF-8".to_owned()),
        };
        let texts = self.texts.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        match (&self.field.shape, texts.as_slice()) {
            (Shape::One(scalar), [text]) => scalar.parse(text),
            (Shape::List(scalar, count), texts) => {
                let values = texts.iter().map(|text| scalar.parse(text));
                let values = values.collect::<Result<Vec<_>, _>>()?;
                if !count.admits(values.len()) {
                    let wanted = count.text("value");
                    return Err(format!("there must be {wanted}, and not {}", values.len()));
                }
                let list: Vec<&str> = values.iter().map(Json::as_str).collect();
                Json::parse(&format!("[{}]", list.join(","))).map_err(|error| error.to_string())
            }
            (_, texts) => Err(format!("it is given {} times, and takes one value", texts.len())),
        }
    }

    /// Refuses a field that `--set` sets as well, it or what is around it or in it.
    pub(crate) fn refuse_set(&self, set: &[(String, String)]) -> Result<(), Problem> {
        let overlaps = |key: &str| key.split('.').zip(self.path()).all(|(set, own)| set == own);
        match set.iter().find(|(key, _)| overlaps(key)) {
            Some((key, _)) => Err(self.twice(&format!("--set {key}=…"))),
            None => Ok(()),
        }
    }

    /// Refuses a field that these data of `--data` have as well, or for which they have no place.
    pub(crate) fn refuse_data(&self, data: &Json) -> Result<(), Problem> {
        let mut place = data.clone();
        for name in self.path() {
            let Some(fields) = place.fields() else { return Err(self.twice("--data")) };
            match fields.into_iter().find(|(other, _)| other == name) {
                Some((_, value)) => place = value,
                None => return Ok(()),
            }
        }
        Err(self.twice("--data"))
    }

    fn twice(&self, other: &str) -> Problem {
        let name = self.field.name();
        Problem::wrong(format!("`{name}` is given twice: by `--{}` and by `{other}`", self.option))
    }
}
