//! Text of a command line as the value of a field, and schemas and texts of any form.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn field_of(schema: &Value) -> Field {
    let root = json!({"properties": {"a": schema}});
    Fields::of(&Json::from_value(&root).unwrap()).list.remove(0)
}

#[track_caller]
fn check_value(schema: &Value, text: &str, expected: Result<&str, &str>) {
    let Shape::One(scalar) = field_of(schema).shape else { panic!("{schema}") };
    let found = scalar.parse(text);
    let found = found.as_ref().map(Json::as_str).map_err(String::as_str);
    assert_eq!(found, expected, "{schema}: {text}");
}

#[test]
fn whole_numbers() {
    let schema = json!({"type": "integer", "minimum": 1, "maximum": 1000});
    for (text, expected) in [
        ("1", Ok("1")),
        ("1000", Ok("1000")),
        ("+007", Ok("7")),
        ("many", Err("`many` is not a whole number from 1 to 1000")),
        ("0", Err("`0` is not a whole number from 1 to 1000")),
        ("1001", Err("`1001` is not a whole number from 1 to 1000")),
        ("1.0", Err("`1.0` is not a whole number from 1 to 1000")),
        ("1e2", Err("`1e2` is not a whole number from 1 to 1000")),
        ("", Err("`` is not a whole number from 1 to 1000")),
        ("-", Err("`-` is not a whole number from 1 to 1000")),
        ("\u{1b}[2J", Err("`\\u{1b}[2J` is not a whole number from 1 to 1000")),
    ] {
        check_value(&schema, text, expected);
    }
    // What the type holds is said where it is violated.
    let unsigned = json!({"type": "integer", "format": "uint32", "minimum": 0});
    check_value(&unsigned, "-1", Err("`-1` is not a whole number that is at least 0"));
    let too_large = "`4294967296` is not a whole number from 0 to 4294967295";
    check_value(&unsigned, "4294967296", Err(too_large));
    let any = json!({"type": "integer"});
    check_value(&any, "-00", Ok("0"));
    let large = "-340282366920938463463374607431768211456";
    check_value(&any, large, Ok(large));
    check_value(&json!({"type": "integer", "minimum": 0}), &large[1..], Ok(&large[1..]));
}

#[test]
fn numbers() {
    let schema = json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1});
    for (text, expected) in [
        ("1", Ok("1")),
        ("0.10", Ok("0.10")),
        ("1e-3", Ok("1e-3")),
        (".5", Ok("0.5")),
        ("0", Err("`0` is not a number that is above 0 and at most 1")),
        ("1.01", Err("`1.01` is not a number that is above 0 and at most 1")),
        ("NaN", Err("`NaN` is not a number that is above 0 and at most 1")),
        ("x", Err("`x` is not a number that is above 0 and at most 1")),
    ] {
        check_value(&schema, text, expected);
    }
    let any = json!({"type": "number"});
    check_value(&any, "-1E5", Ok("-1E5"));
    for text in ["inf", "-infinity", "1e400", "0x1", "1_000"] {
        check_value(&any, text, Err(&format!("`{text}` is not a number")));
    }
}

#[test]
fn other_values() {
    let boolean = json!({"type": "boolean"});
    check_value(&boolean, "true", Ok("true"));
    check_value(&boolean, "False", Err("`False` is neither `true` nor `false`"));
    let text = json!({"type": "string", "minLength": 1, "maxLength": 3});
    check_value(&text, "\"ä\n", Ok(r#""\"ä\n""#));
    check_value(&text, "", Err("`` is not a text of 1 to 3 characters"));
    check_value(&text, "abcd", Err("`abcd` is not a text of 1 to 3 characters"));
    let ways = json!({"enum": ["fast", "slow", 7]});
    check_value(&ways, "fast", Ok(r#""fast""#));
    check_value(&ways, "7", Ok("7"));
    let meant = "`fsat` is none of `fast`, `slow`, `7`; did you mean `fast`?";
    check_value(&ways, "fsat", Err(meant));
    check_value(&json!({"const": "only"}), "x", Err("`x` is not `only`"));
    let long = "x".repeat(1_000);
    let shown = format!("`{}…` is neither `true` nor `false`", "x".repeat(60));
    check_value(&boolean, &long, Err(&shown));
}

/// JSON of any shape, with the words that schemas have.
fn any_schema() -> impl Strategy<Value = Value> {
    const WORDS: [&str; 16] = [
        "type",
        "properties",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "$defs",
        "enum",
        "const",
        "minimum",
        "required",
        "default",
        "description",
        "additionalProperties",
        "a",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        proptest::sample::select(vec![
            "object",
            "array",
            "integer",
            "string",
            "null",
            "#",
            "#/$defs/a"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |below| {
        let object =
            proptest::collection::vec((proptest::sample::select(&WORDS[..]), below.clone()), 0..6);
        let object = object.prop_map(|fields| {
            Value::Object(
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            )
        });
        prop_oneof![object, proptest::collection::vec(below, 0..4).prop_map(Value::from)]
    })
}

proptest! {
    /// Whatever a schema is, reading it ends, and what it says of a field can be shown.
    #[test]
    fn any_schema_is_read(schema in any_schema()) {
        let fields = Fields::of(&Json::from_value(&schema).unwrap());
        prop_assert!(fields.list.iter().all(|field| !line(field).is_empty()));
    }

    /// Each text becomes the value that it is, or is refused on one line.
    #[test]
    fn any_text_is_a_value_or_refused(text in "\\PC{0,12}|[-+]?[0-9.e]{1,40}", kind in 0_usize..4) {
        let kind = ["integer", "number", "boolean", "string"][kind];
        let Shape::One(scalar) = field_of(&json!({"type": kind})).shape else { panic!() };
        match scalar.parse(&text) {
            Ok(json) if kind == "string" => prop_assert_eq!(json.to::<String>().unwrap(), text),
            Ok(json) => prop_assert!(json.to::<Value>().is_ok_and(|value| value.is_number() || value.is_boolean())),
            Err(problem) => prop_assert_eq!(problem.lines().count(), 1),
        }
    }
}
