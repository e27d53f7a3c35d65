//! The fields of data or of a result as a table.

use chutes_console::{Columns, write_wrapped};
use chutes_core::Escaped;

use crate::command_line::fields::{Field, Fields, Need, Scalar, Shape};
use crate::command_line::type_name::without_schema;
use crate::schema::TypeSchema;

/// What a table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Data,
    Result,
}

const INDENT: &str = "    ";

/// The widest range and default, in characters, that have a place in their column. A longer one is part of the meaning.
const WIDEST_RANGE: usize = 20;
const WIDEST_DEFAULT: usize = 16;

/// Writes what is known of a type: its fields, or that it has no schema.
pub(super) fn write_type(text: &mut String, side: Side, known: &TypeSchema, width: Option<u16>) {
    let label = match side {
        Side::Data => "  data         ",
        Side::Result => "  result       ",
    };
    match known {
        TypeSchema::NoData => write_wrapped(text, label, "none", width),
        TypeSchema::Unknown(path) => write_wrapped(text, label, &without_schema(path), width),
        TypeSchema::Known(schema) => {
            let fields = Fields::of(schema);
            match (fields.list.as_slice(), side) {
                ([], _) => write_wrapped(text, label, "no fields", width),
                // The result of a job without one.
                ([Field { shape: Shape::Other(kind), .. }], Side::Result) if kind == "null" => {
                    write_wrapped(text, label, "none", width);
                }
                _ => {
                    write_wrapped(text, label, fields.title.as_deref().unwrap_or(""), width);
                    trim_line(text);
                    write_table(text, side, &fields.list, width);
                }
            }
        }
    }
}

/// Removes the spaces before the end of the last line.
fn trim_line(text: &mut String) {
    text.truncate(text.trim_end_matches(['\n', ' ']).len());
    text.push('\n');
}

fn write_table(text: &mut String, side: Side, fields: &[Field], width: Option<u16>) {
    let width = width.map(|width| width.saturating_sub(4));
    let table = match side {
        Side::Data => {
            let columns = Columns::new(["FIELD", "TYPE", "RANGE", "DEFAULT", "MEANING"]);
            columns.wrap_last().render(width, || {
                fields.iter().map(|field| {
                    let cells = Cells::of(field, side);
                    [cells.name, cells.kind, cells.range, cells.default, cells.meaning]
                        .map(Into::into)
                })
            })
        }
        // A result is whole: it has no defaults.
        Side::Result => {
            let columns = Columns::new(["FIELD", "TYPE", "RANGE", "MEANING"]);
            columns.wrap_last().render(width, || {
                fields.iter().map(|field| {
                    let cells = Cells::of(field, side);
                    [cells.name, cells.kind, cells.range, cells.meaning].map(Into::into)
                })
            })
        }
    };
    for line in table.lines() {
        text.extend([INDENT, line, "\n"]);
    }
}

struct Cells {
    name: String,
    kind: String,
    range: String,
    default: String,
    meaning: String,
}

impl Cells {
    fn of(field: &Field, side: Side) -> Self {
        let name = if field.path.is_empty() { "(all of it)".to_owned() } else { field.name() };
        let mut meaning = vec![field.summary().to_owned()];
        meaning.extend(choices(field));
        let fits = |text: &str, widest| text.chars().count() <= widest;
        let mut range = Escaped(&field.shape.range_text()).to_string();
        if !fits(&range, WIDEST_RANGE) {
            meaning.push(format!("Range: {}.", std::mem::take(&mut range)));
        }
        let mut default = match (&field.need, field.default_text()) {
            _ if side == Side::Result => String::new(),
            (_, Some(default)) => Escaped(&default).to_string(),
            (Need::Required, None) if !field.path.is_empty() => "required".to_owned(),
            _ => String::new(),
        };
        if !fits(&default, WIDEST_DEFAULT) {
            meaning.push(format!("Default: {}.", std::mem::take(&mut default)));
        }
        if let (Need::RequiredIn(object), Side::Data) = (&field.need, side) {
            meaning.push(format!("Required if `{object}` is given."));
        }
        if field.deprecated {
            meaning.push("Deprecated.".to_owned());
        }
        let meaning: Vec<_> = meaning.into_iter().filter(|part| !part.is_empty()).collect();
        let kind = field.shape.type_text();
        Self { name, kind, range, default, meaning: meaning.join(" ") }
    }
}

/// What each value of a choice means, where that is said.
fn choices(field: &Field) -> Vec<String> {
    let (Shape::One(Scalar::Choice(choices)) | Shape::List(Scalar::Choice(choices), _)) =
        &field.shape
    else {
        return Vec::new();
    };
    let explained = choices.iter().filter_map(|choice| {
        let meaning = choice.summary()?;
        Some(format!("`{}`: {meaning}", Escaped(&choice.text)))
    });
    explained.collect()
}

#[cfg(test)]
mod tests {
    use chutes_core::Json;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(side: Side, schema: &serde_json::Value, width: Option<u16>, expected: &str) {
        let known = TypeSchema::Known(Json::from_value(schema).unwrap());
        let mut text = String::new();
        write_type(&mut text, side, &known, width);
        assert_eq!(text, expected, "{text}");
    }

    #[test]
    fn tables() {
        let schema = json!({"title": "Training", "required": ["epochs"], "properties": {
            "epochs": {"type": "integer", "minimum": 1, "description": "How often all examples\nare seen.\n\nMore."},
            "name": {"type": "string", "default": "a default that is long", "deprecated": true},
            "way": {"oneOf": [{"enum": ["slow"]}, {"const": "fast", "description": "No pauses."}], "default": "slow"},
            "inner": {"required": ["x"], "properties": {
                "x": {"type": "string", "pattern": "^[a-z]+[0-9]*$", "default": null}}},
        }});
        let data = "  data         Training
    FIELD    TYPE     RANGE       DEFAULT   MEANING
    epochs   integer  at least 1  required  How often all examples are seen.
    name     text                           Default: a default that is long.
                                            Deprecated.
    way      choice   slow, fast  slow      `fast`: No pauses.
    inner    object
    inner.x  text                           Range: pattern ^[a-z]+[0-9]*$.
                                            Required if `inner` is given.
";
        check(Side::Data, &schema, Some(80), data);
        let result = "  result       Training
    FIELD    TYPE     RANGE       MEANING
    epochs   integer  at least 1  How often all examples are seen.
    name     text                 Deprecated.
    way      choice   slow, fast  `fast`: No pauses.
    inner    object
    inner.x  text                 Range: pattern ^[a-z]+[0-9]*$.
";
        check(Side::Result, &schema, None, result);
    }

    #[test]
    fn without_a_table() {
        check(Side::Result, &json!({"type": "null"}), None, "  result       none\n");
        let one = "  data\n    FIELD        TYPE  RANGE  DEFAULT  MEANING\n    (all of it)  text\n";
        check(Side::Data, &json!({"type": "string"}), None, one);
        for (known, expected) in [
            (TypeSchema::NoData, "  data         none\n"),
            (
                TypeSchema::Unknown("a::B"),
                "  data         no schema: `B` does not implement JsonSchema\n",
            ),
        ] {
            let mut text = String::new();
            write_type(&mut text, Side::Data, &known, None);
            assert_eq!(text, expected);
        }
    }
}
