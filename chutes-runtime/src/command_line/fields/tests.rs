//! Fields of real types, of written schemas, and of hostile ones.

#![expect(dead_code, reason = "only the schemas of the types are used")]

mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde_json::json;

use super::*;

/// How a model is trained.
#[derive(Deserialize, JsonSchema)]
struct Training {
    /// How often
    /// it goes over all.
    ///
    /// Twice is enough.
    #[schemars(range(min = 1, max = 9999))]
    epochs: u32,
    #[serde(default = "rate")]
    learning_rate: f64,
    /// A name.
    #[schemars(length(min = 2, max = 9), regex(pattern = "^[a-z]+$"))]
    name: String,
    note: Option<String>,
    #[serde(default)]
    verbose: bool,
    small: Option<u8>,
    workers: Option<NonZero<usize>>,
    way: Way,
    other_way: Option<Way>,
    plain: Plain,
    #[serde(rename = "camelCase")]
    renamed: i8,
    #[deprecated]
    old: u64,
    sign: char,
    #[schemars(length(min = 1, max = 3))]
    layers: Vec<u16>,
    tags: BTreeSet<String>,
    optimizer: Optimizer,
    maybe: Option<Optimizer>,
    #[serde(default)]
    preset: Optimizer,
    #[serde(flatten)]
    common: Common,
    labels: BTreeMap<String, String>,
    items: Vec<Item>,
    pair: (u8, String),
    shape: Form,
    free: serde_json::Value,
    either: Either,
    tree: Node,
}

fn rate() -> f64 {
    0.003
}

#[derive(Deserialize, serde::Serialize, JsonSchema)]
struct Optimizer {
    /// The step.
    rate: f64,
    #[serde(default)]
    momentum: f64,
}

impl Default for Optimizer {
    fn default() -> Self {
        Self { rate: 0.5, momentum: 0.0 }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Common {
    /// Decides everything.
    seed: u64,
}

#[derive(Deserialize, JsonSchema)]
struct Item {
    id: String,
}

/// Which way.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Way {
    /// Without pauses.
    VeryFast,
    Slow,
}

#[derive(Deserialize, JsonSchema)]
enum Plain {
    A,
    B,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind")]
enum Form {
    Circle { radius: f64 },
    Point,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Either {
    Number(u8),
    Text(String),
}

#[derive(Deserialize, JsonSchema)]
struct Node {
    value: u8,
    left: Option<Box<Node>>,
    children: Vec<Node>,
}

fn of<T: JsonSchema>() -> Fields {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let schema = settings.into_generator().into_root_schema_for::<T>();
    Fields::of(&Json::from_value(&schema).unwrap())
}

/// A field on one line: path, type, range, need, default.
fn line(field: &Field) -> String {
    let need = match &field.need {
        Need::Required => "required".to_owned(),
        Need::RequiredIn(place) => format!("required in {place}"),
        Need::Optional => String::new(),
    };
    let default = field.default_text().unwrap_or_default();
    let settable = if field.is_settable() { "--" } else { "" };
    let parts = [field.shape.type_text(), field.shape.range_text(), need, default];
    format!("{settable}{}: {}", field.name(), parts.join(" | "))
}

#[test]
fn of_a_type() {
    let fields = of::<Training>();
    assert_eq!(fields.title.as_deref(), Some("Training"));
    let lines: Vec<String> = fields.list.iter().map(line).collect();
    let expected = [
        "--epochs: integer | 1 to 9999 | required | ",
        "--learning_rate: number |  |  | 0.003",
        "--name: text | 2 to 9 characters, pattern ^[a-z]+$ | required | ",
        "--note: text |  |  | ",
        "--verbose: boolean |  |  | false",
        "--small: integer | 0 to 255 |  | ",
        "--workers: integer | at least 1 |  | ",
        "--way: choice | slow, very-fast | required | ",
        "--other_way: choice | slow, very-fast |  | ",
        "--plain: choice | A, B | required | ",
        "--camelCase: integer | -128 to 127 | required | ",
        "--old: integer | at least 0 | required | ",
        "--sign: text | 1 character | required | ",
        "--layers: list of integers | 0 to 65535; 1 to 3 values | required | ",
        "--tags: list of texts |  | required | ",
        "optimizer: object |  | required | ",
        "--optimizer.rate: number |  | required | ",
        "--optimizer.momentum: number |  |  | 0.0",
        "maybe: object |  |  | ",
        "--maybe.rate: number |  | required in maybe | ",
        "--maybe.momentum: number |  |  | 0.0",
        "preset: object |  |  | ",
        "--preset.rate: number |  | required in preset | 0.5",
        "--preset.momentum: number |  |  | 0.0",
        "--seed: integer | at least 0 | required | ",
        "labels: map of texts |  | required | ",
        "items: list of objects |  | required | ",
        "items[].id: text |  | required | ",
        "pair: list |  | required | ",
        "shape: one of 2 forms |  | required | ",
        "free: any JSON |  | required | ",
        "either: one of 2 forms |  | required | ",
        "tree: object |  | required | ",
        "--tree.value: integer | 0 to 255 | required | ",
        "tree.left: object |  |  | ",
        "tree.children: list of objects |  | required | ",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn meanings() {
    let fields = of::<Training>();
    let field = |name: &str| fields.list.iter().find(|field| field.name() == name).unwrap();
    for (name, meaning) in [
        ("epochs", "How often it goes over all.\nTwice is enough."),
        ("way", "Which way."),
        ("optimizer.rate", "The step."),
        ("note", ""),
    ] {
        assert_eq!(field(name).meaning, meaning, "{name}");
    }
    assert_eq!(field("epochs").summary(), "How often it goes over all.");
    assert!(field("old").deprecated && !field("seed").deprecated);
    for name in ["way", "other_way"] {
        let Shape::One(Scalar::Choice(choices)) = &field(name).shape else { panic!("{name}") };
        let choices = choices.iter().map(|choice| (&*choice.text, &*choice.meaning));
        let expected = [("slow", ""), ("very-fast", "Without pauses.")];
        assert_eq!(choices.collect::<Vec<_>>(), expected, "{name}");
    }
}

/// What is not an object is one field without a path.
#[test]
fn of_other_types() {
    #[track_caller]
    fn check<T: JsonSchema>(expected: &[&str]) {
        assert_eq!(of::<T>().list.iter().map(line).collect::<Vec<_>>(), expected);
    }
    check::<u8>(&[": integer | 0 to 255 | required | "]);
    check::<Vec<String>>(&[": list of texts |  | required | "]);
    check::<Plain>(&[": choice | A, B | required | "]);
    check::<()>(&[": null |  | required | "]);
    check::<BTreeMap<String, Item>>(&[
        ": map of objects |  | required | ",
        "*.id: text |  | required | ",
    ]);
    check::<BTreeMap<u8, Vec<u8>>>(&[": map of lists |  | required | "]);
    check::<Vec<Vec<u8>>>(&[": list of lists |  | required | "]);
    check::<serde_json::Value>(&[": any JSON |  | required | "]);
    check::<Node>(&[
        "--value: integer | 0 to 255 | required | ",
        "left: object |  |  | ",
        "children: list of objects |  | required | ",
    ]);
}

/// Schemas that are written by hand, or by other versions of a generator.
#[test]
fn of_written_schemas() {
    for (schema, expected) in [
        (
            json!({"properties": {"a": {"type": "integer", "minimum": 0, "exclusiveMaximum": 5}}}),
            "--a: integer | at least 0 and below 5 |  | ",
        ),
        (
            json!({"properties": {"a": {"type": "number", "exclusiveMinimum": 0.0, "maximum": 1.0}}}),
            "--a: number | above 0 and at most 1 |  | ",
        ),
        (
            json!({"properties": {"a": {"allOf": [{"$ref": "#/$defs/A"}], "minimum": 3, "default": 4}}, "$defs": {"A": {"type": "integer", "minimum": 1, "maximum": 7}}}),
            "--a: integer | 3 to 7 |  | 4",
        ),
        (json!({"properties": {"a": {"enum": [1, 2, "x", null]}}}), "--a: choice | 1, 2, x |  | "),
        (json!({"properties": {"a": {"enum": [[1]]}}}), "a: any JSON |  |  | "),
        (
            json!({"properties": {"a": {"const": "only"}}, "required": ["a"]}),
            "--a: choice | only | required | ",
        ),
        (
            json!({"properties": {"a": {"type": ["string", "integer", "null"]}}}),
            "a: text or integer |  |  | ",
        ),
        (json!({"properties": {"a": {"$ref": "#/$defs/absent"}}}), "a: any JSON |  |  | "),
        (json!({"properties": {"a": {"$ref": "https://x.test/a"}}}), "a: any JSON |  |  | "),
        (json!({"properties": {"a": true}}), "a: any JSON |  |  | "),
        (json!({"properties": {"a": {"type": "string", "default": ""}}}), "--a: text |  |  | \"\""),
        (
            json!({"properties": {"a": {"type": "string", "format": "uuid"}}}),
            "--a: text | uuid |  | ",
        ),
        (json!({"properties": {"a.b": {"type": "string"}}}), "a.b: text |  |  | "),
        (json!({"properties": {"-a": {"type": "string"}}}), "-a: text |  |  | "),
        (json!({"properties": {"a b=": {"type": "string"}}}), "a b=: text |  |  | "),
        (json!({"properties": {"größe": {"type": "string"}}}), "--größe: text |  |  | "),
    ] {
        let fields = Fields::of(&Json::from_value(&schema).unwrap());
        assert_eq!(fields.list.iter().map(line).collect::<Vec<_>>(), [expected], "{schema}");
    }
    let open = json!({"properties": {"a": {"type": "boolean"}}, "oneOf": [{"type": "object"}, {"type": "object"}]});
    let fields = Fields::of(&Json::from_value(&open).unwrap());
    let lines: Vec<String> = fields.list.iter().map(line).collect();
    assert_eq!(lines, ["--a: boolean |  |  | ", "…: one of 2 forms |  |  | "]);
}

/// A small schema that stands for more fields than anybody has.
#[test]
fn very_many_fields() {
    let mut definitions = serde_json::Map::new();
    for level in 0..20 {
        let below = json!({"$ref": format!("#/$defs/N{}", level + 1)});
        definitions.insert(format!("N{level}"), json!({"properties": {"a": below, "b": below}}));
        let both = json!([{"$ref": format!("#/$defs/C{}", level + 1)}, {"$ref": format!("#/$defs/C{}", level + 1)}]);
        definitions.insert(format!("C{level}"), json!({"anyOf": both}));
    }
    definitions.insert("C20".to_owned(), json!({"const": "x"}));
    let root = json!({"properties": {"n": {"$ref": "#/$defs/N0"}, "c": {"$ref": "#/$defs/C0"}}, "$defs": definitions});
    let fields = Fields::of(&Json::from_value(&root).unwrap());
    assert!(fields.list.len() < 1_000, "{}", fields.list.len());
}
