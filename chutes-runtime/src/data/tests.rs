//! What fits a type and what does not, and the words for it.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only decoding is tested")]
struct Settings {
    epochs: u32,
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only decoding is tested")]
struct Layer {
    size: u8,
}

#[track_caller]
fn check(json: &str, expected: Result<(), &str>) {
    let decoded = decode::<Settings>(&Json::parse(json).unwrap());
    let found = decoded.map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(found, expected.map_err(String::from), "{json}");
}

#[test]
fn fields() {
    check(r#"{"epochs": 3, "layers": [{"size": 4}]}"#, Ok(()));
    check(r#"{"epochs": 3, "_ssh_public_key": "ssh-ed25519 AAAA"}"#, Ok(()));
    check("{}", Err("invalid data: missing field `epochs`"));
    check(
        r#"{"epoch": 3}"#,
        Err("invalid data: missing field `epochs`; besides, unknown field: `epoch`"),
    );
    check(r#"{"epochs": 3, "epochs": 4}"#, Err("invalid data: duplicate field `epochs`"));
    check(
        r#"{"epochs": "ten"}"#,
        Err(r#"invalid data at `epochs`: invalid type: string "ten", expected u32"#),
    );
    check(
        r#"{"epochs": -1}"#,
        Err("invalid data at `epochs`: invalid value: integer `-1`, expected u32"),
    );
    check(
        r#"{"epochs": 3, "layers": [{"size": 4}, {"size": 300}]}"#,
        Err("invalid data at `layers[1].size`: invalid value: integer `300`, expected u8"),
    );
    check(r#"{"epochs": 3, "epoch": 4}"#, Err("unknown field in the data: `epoch`"));
    check(
        r#"{"epochs": 3, "layers": [{"size": 4, "a": 1, "b": 2}]}"#,
        Err("unknown fields in the data: `layers[0].a`, `layers[0].b`"),
    );
    check("[]", Err("invalid data: invalid length 0, expected struct Settings with 2 elements"));
}

/// So does `serde` define it, and so the documentation says.
#[test]
fn a_list_has_the_fields_of_a_struct_in_their_order() {
    check(r#"[3, [{"size": 4}]]"#, Ok(()));
    check("[3, [[4], [5]]]", Ok(()));
    check("[3, [], 1]", Err("invalid data: trailing characters"));
    check("[[], 3]", Err("invalid data at `[0]`: invalid type: sequence, expected u32"));
}

#[test]
fn suggestions_come_from_the_schema() {
    let schema = Json::parse(r#"{"properties": {"epochs": {}, "layers": {}}}"#).unwrap();
    let schema = DataSchema::new(&schema).unwrap();
    for (json, expected) in [
        (r#"{"epochs": 1, "layer": []}"#, "`layer`; did you mean `layers`?"),
        (r#"{"epochs": 1, "optimizer": 1}"#, "`optimizer`"),
    ] {
        let error = decode::<Settings>(&Json::parse(json).unwrap()).unwrap_err();
        let message = error.explained_by(&schema, &Json::null()).to_string();
        assert_eq!(message, format!("unknown field in the data: {expected}"));
    }
}

#[derive(Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "only decoding is tested")]
struct Flat {
    name: String,
    #[serde(flatten)]
    common: Common,
    way: Option<Way>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "only decoding is tested")]
struct Common {
    epochs: u32,
    #[serde(alias = "lr", default)]
    rate: f64,
    #[serde(alias = "optim")]
    optimizer: Option<Optimizer>,
    /// Every value fits it.
    #[serde(alias = "extra", default)]
    notes: serde_json::Value,
}

/// Nothing in it is required.
#[derive(Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "only decoding is tested")]
struct Optimizer {
    #[serde(default)]
    momentum: f64,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(dead_code, reason = "only decoding is tested")]
enum Way {
    Fast {
        #[serde(default)]
        speed: u8,
    },
}

/// In these types serde itself reports no unknown field, and no path.
#[test]
fn types_with_flatten_and_tagged_variants() {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_deserialize();
    let schema = settings.into_generator().into_root_schema_for::<Flat>();
    let schema = DataSchema::new(&Json::from_value(&schema).unwrap()).unwrap();
    for (json, expected) in [
        (r#"{"name":"a","epochs":1,"rate":1.5,"way":{"kind":"fast","speed":1}}"#, Ok(())),
        // Another name of a field.
        (r#"{"name":"a","epochs":1,"lr":1.5}"#, Ok(())),
        (r#"{"name":"a","epochs":1,"optim":{"momentum":0.9}}"#, Ok(())),
        (r#"{"name":"a","epochs":1,"extra":[1, "two"]}"#, Ok(())),
        (
            r#"{"name":"a","epochs":1,"note":[1, "two"]}"#,
            Err("unknown field in the data: `note`; did you mean `notes`?"),
        ),
        (r#"{"name":"a","epochs":1,"_ssh_public_key":"a"}"#, Ok(())),
        (
            r#"{"name":"a","epochs":1,"rat":1.5}"#,
            Err("unknown field in the data: `rat`; did you mean `rate`?"),
        ),
        (
            r#"{"name":"a","epochs":1,"way":{"kind":"fast","sped":1}}"#,
            Err("unknown field in the data: `way.sped`; did you mean `speed`?"),
        ),
        (
            r#"{"name":"a","epochs":"x"}"#,
            Err("invalid data at `epochs`: invalid type: string \"x\", expected u32"),
        ),
    ] {
        let json = Json::parse(json).unwrap();
        let decodes = |json: &Json| decode::<Flat>(json).is_ok();
        let found = decode::<Flat>(&json).and_then(|_| passed_over(&json, &schema, decodes));
        let found = found.map_err(|error| error.explained_by(&schema, &json).to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{json}");
    }
}

#[test]
fn numbers_arrive_as_they_were_written() {
    const LARGEST: &str = "340282366920938463463374607431768211455";
    let json = Json::parse(&format!(r#"{{"_ours":1,"id":{LARGEST}}}"#)).unwrap();
    let decoded: std::collections::BTreeMap<String, u128> = decode(&json).unwrap();
    assert_eq!(decoded["id"], u128::MAX);
    let json = Json::parse(&format!("-{}", i128::MAX)).unwrap();
    assert_eq!(decode::<i128>(&json).unwrap(), -i128::MAX);
}

proptest! {
    #[test]
    fn no_json_panics(text in "[\\[\\]{}\":,a-c0-9_ ]{0,30}") {
        if let Ok(json) = Json::parse(&text) {
            let _ = decode::<Settings>(&json);
            let _ = expect_none(&json);
        }
    }
}

#[test]
fn data_without_content() {
    #[derive(Debug, Deserialize)]
    struct Nothing;

    for json in ["{}", "null", r#"{"_ours":1}"#] {
        let json = Json::parse(json).unwrap();
        decode::<()>(&json).unwrap();
        decode::<Nothing>(&json).unwrap();
    }
    decode::<()>(&Json::parse(r#"{"a":1}"#).unwrap()).unwrap_err();
}

#[test]
fn no_data() {
    for (json, expected) in [("null", true), ("{}", true), ("{\"_a\":1}", true), ("1", false)] {
        assert_eq!(expect_none(&Json::parse(json).unwrap()).is_ok(), expected, "{json}");
    }
}
