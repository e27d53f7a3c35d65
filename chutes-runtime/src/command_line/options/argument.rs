//! The option of one field, as clap takes it.

use std::ffi::{OsStr, OsString};

use clap::builder::{PossibleValue, TypedValueParser, ValueParser};
use clap::{Arg, ArgAction, Command};

use crate::command_line::fields::{Choice, Field, Need, Scalar, Shape};

/// The id of the option of this name, which no argument of `run` has.
pub(super) fn named(option: &str) -> String {
    format!("data {option}")
}

/// The option of a field. Its values are taken as they are typed: what is wrong with them is said in one line, with all that
/// is known of the field.
pub(super) fn argument(option: &str, field: &Field) -> Arg {
    let scalar = match &field.shape {
        Shape::One(scalar) | Shape::List(scalar, _) => Some(scalar),
        Shape::Object | Shape::Other(_) => None,
    };
    let argument = Arg::new(named(option))
        .long(option.to_owned())
        .action(ArgAction::Append)
        .value_name(scalar.map_or("VALUE", value_name))
        .value_parser(ValueParser::os_string())
        .allow_negative_numbers(true)
        .help(help(field.summary(), " ", field))
        .long_help(help(&field.meaning.replace('\n', "\n\n"), "\n", field));
    match (&field.shape, scalar) {
        (Shape::One(Scalar::Boolean), _) => {
            argument.num_args(0..=1).require_equals(true).default_missing_value("true")
        }
        (_, Some(Scalar::Choice(choices))) => argument.value_parser(AnyOf(choices.clone())),
        // Of numbers with an exponent clap does not know that they are negative: `-1e-3`.
        (_, Some(Scalar::Number(_))) => argument.allow_hyphen_values(true),
        _ => argument,
    }
}

/// The field as completion scripts have it, without values that a shell would take apart or execute.
pub(super) fn offered(field: &Field) -> Field {
    let mut field = field.clone();
    if let Shape::One(Scalar::Choice(choices)) | Shape::List(Scalar::Choice(choices), _) =
        &mut field.shape
    {
        let is_plain = |sign: char| sign.is_alphanumeric() || "_-.:+@%/,".contains(sign);
        choices.retain(|choice| !choice.text.is_empty() && choice.text.chars().all(is_plain));
    }
    field
}

fn value_name(scalar: &Scalar) -> &'static str {
    match scalar {
        Scalar::Boolean => "true|false",
        Scalar::Integer(_) => "INTEGER",
        Scalar::Number(_) => "NUMBER",
        Scalar::Text(_) => "TEXT",
        Scalar::Choice(_) => "CHOICE",
    }
}

/// What a field means, then its range and its default.
fn help(meaning: &str, separator: &str, field: &Field) -> String {
    let mut tags = Vec::new();
    let is_choice = matches!(&field.shape, Shape::One(Scalar::Choice(_)));
    let range = Some(field.shape.range_text()).filter(|range| !range.is_empty() && !is_choice);
    tags.extend(range.map(|range| format!("[range: {range}]")));
    match (field.default_text(), &field.need) {
        (Some(default), _) => tags.push(format!("[default: {default}]")),
        (None, Need::Required) => tags.push("[required]".to_owned()),
        (None, Need::Optional) => {}
        (None, Need::RequiredIn(object)) => tags.push(format!("[required with `{object}`]")),
    }
    if matches!(field.shape, Shape::List(..)) {
        tags.push("[may be given several times]".to_owned());
    }
    if field.deprecated {
        tags.push("[deprecated]".to_owned());
    }
    let parts = [meaning.to_owned(), tags.join(" ")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(separator)
}

/// Accepts every text. The values to choose from are shown in help and by shells.
#[derive(Clone)]
struct AnyOf(Vec<Choice>);

impl TypedValueParser for AnyOf {
    type Value = OsString;

    fn parse_ref(
        &self,
        _command: &Command,
        _argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<OsString, clap::Error> {
        Ok(value.to_owned())
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let values = self.0.iter().map(|choice| {
            let value = PossibleValue::new(choice.text.clone());
            match choice.summary() {
                Some(meaning) => value.help(meaning.to_owned()),
                None => value,
            }
        });
        Some(Box::new(values))
    }
}
