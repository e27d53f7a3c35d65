//! One place of a schema with everything that applies to it.

use serde_json::{Map, Value};

use super::choice::Choice;

/// How many schemas are looked at for one place. Schemas refer to themselves.
const MOST_STEPS: usize = 64;

/// How many values, or groups of values, a choice may have.
const MOST_CHOICES: usize = 500;

type Schema = Map<String, Value>;

/// The schemas that apply to one value: the schema of the place itself, what its `$ref` names, the parts of `allOf`, and
/// the only alternative that is not `null`. The nearest is the first.
#[derive(Debug, Default)]
pub(super) struct Layers<'a> {
    pub(super) schemas: Vec<&'a Schema>,
    /// What the value may be, if there are several possibilities besides `null`.
    pub(super) alternatives: Vec<&'a Value>,
    /// The references that were followed, those of the places above included.
    pub(super) references: Vec<&'a str>,
    /// Whether the place is within one that has the same reference.
    pub(super) is_recursive: bool,
}

impl<'a> Layers<'a> {
    /// What applies to a place; `above` are the references of the places that it is in.
    pub(super) fn at(root: &'a Value, place: &'a Value, above: &[&'a str]) -> Self {
        let mut layers = Self { references: above.to_vec(), ..Self::default() };
        let (mut open, mut steps) = (vec![place], 0);
        while let Some(schema) = open.pop() {
            steps += 1;
            let Some(schema) = schema.as_object().filter(|_| steps <= MOST_STEPS) else { continue };
            layers.schemas.push(schema);
            let mut below = layers.add_alternatives(schema);
            below.extend(schema.get("allOf").and_then(Value::as_array).into_iter().flatten());
            below.extend(layers.follow(root, schema));
            open.extend(below.into_iter().rev());
        }
        layers
    }

    /// What a reference names, unless it leads to a place within itself.
    fn follow(&mut self, root: &'a Value, schema: &'a Schema) -> Option<&'a Value> {
        let name = schema.get("$ref")?.as_str()?;
        if self.references.contains(&name) {
            self.is_recursive = true;
            return None;
        }
        self.references.push(name);
        root.pointer(name.strip_prefix('#')?)
    }

    /// The only alternative of a schema; several are kept for later.
    fn add_alternatives(&mut self, schema: &'a Schema) -> Vec<&'a Value> {
        let lists = ["anyOf", "oneOf"].map(|keyword| schema.get(keyword).and_then(Value::as_array));
        let mut only = Vec::new();
        for list in lists.into_iter().flatten() {
            let possible: Vec<_> = list.iter().filter(|schema| !is_null(schema)).collect();
            match possible.as_slice() {
                [one] => only.push(*one),
                several => self.alternatives.extend(several),
            }
        }
        only
    }

    /// The value of a keyword in the nearest schema that has it.
    pub(super) fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.schemas.iter().find_map(|schema| schema.get(keyword))
    }

    /// The types that a value may have, by the names of JSON Schema, without `null`.
    pub(super) fn types(&self) -> Vec<&'a str> {
        let names = match self.get("type") {
            Some(Value::String(name)) => vec![name.as_str()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ if self.schemas.iter().any(|schema| schema.contains_key("properties")) => {
                vec!["object"]
            }
            _ => Vec::new(),
        };
        let is_only_null = names == ["null"];
        names.into_iter().filter(|name| *name != "null" || is_only_null).collect()
    }

    /// The fields of an object, and whether each must be there. A field of several schemas is that of the nearest.
    pub(super) fn properties(&self) -> Vec<(&'a str, &'a Value, bool)> {
        let is_required = |name: &str| {
            let lists = self.schemas.iter().filter_map(|schema| schema.get("required"));
            lists.filter_map(Value::as_array).flatten().any(|required| required == name)
        };
        let mut found: Vec<(&str, &Value, bool)> = Vec::new();
        let all = self.schemas.iter().filter_map(|schema| schema.get("properties")?.as_object());
        for (name, schema) in all.flatten() {
            if found.iter().all(|(other, ..)| other != name) {
                found.push((name, schema, is_required(name)));
            }
        }
        found
    }

    /// What the fields of an object are that are not listed, if it can have such fields.
    pub(super) fn any_field(&self) -> Option<&'a Value> {
        let keyed = self.get("patternProperties").and_then(Value::as_object);
        let keyed = keyed.and_then(|patterns| patterns.values().next());
        let other = self.get("additionalProperties").filter(|other| **other != Value::Bool(false));
        keyed.or(other)
    }

    /// The values to choose from, where that is all that there is to say.
    pub(super) fn choices(&self, root: &'a Value) -> Option<Vec<Choice>> {
        if self.alternatives.is_empty() {
            return self.own_choices("");
        }
        let (mut open, mut found) = (self.alternatives.clone(), Vec::new());
        open.reverse();
        let mut steps = 0;
        while let Some(alternative) = open.pop() {
            steps += 1;
            let below = Self::at(root, alternative, &self.references);
            if below.is_recursive || steps > MOST_CHOICES {
                return None;
            }
            if below.alternatives.is_empty() {
                let meaning = below.text("description").map(super::read::paragraphs);
                found.extend(below.own_choices(&meaning.unwrap_or_default())?);
            }
            open.extend(below.alternatives.into_iter().rev());
        }
        Some(found)
    }

    fn own_choices(&self, meaning: &str) -> Option<Vec<Choice>> {
        let has_values =
            |schema: &&&Schema| schema.contains_key("enum") || schema.contains_key("const");
        Choice::of(self.schemas.iter().find(has_values)?, meaning)
    }

    /// The nearest text of a keyword.
    pub(super) fn text(&self, keyword: &str) -> Option<&'a str> {
        self.get(keyword).and_then(Value::as_str)
    }
}

fn is_null(schema: &Value) -> bool {
    let says = |keyword: &str, value: &Value| schema.get(keyword) == Some(value);
    says("type", &Value::from("null")) || says("const", &Value::Null)
}
