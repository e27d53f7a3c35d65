//! From a JSON Schema to its fields, in the order of the type.

use serde_json::Value;

use super::layers::Layers;
use super::range::Count;
use super::scalar::Scalar;
use super::{Field, Fields, Need, Shape};

/// How many fields are read; objects beyond that are not looked into. A small schema can stand for very many fields.
const MOST_FIELDS: usize = 500;

/// How deep objects are looked into. A schema can be nested deeper than its reader.
const MOST_DEPTH: usize = 8;

/// The fields of a whole schema.
pub(super) fn fields(root: &Value) -> Fields {
    let mut reader = Reader { root, list: Vec::new() };
    let layers = Layers::at(root, root, &["#"]);
    let title = layers.text("title").map(String::from);
    let place = Place { path: &[], need: Need::Required, default: None, is_single: true };
    reader.read(&layers, &place);
    // The object that is the data has no row of its own.
    if let [Field { shape: Shape::Object, .. }, ..] = reader.list.as_slice() {
        reader.list.remove(0);
    }
    Fields { title, list: reader.list }
}

struct Reader<'a> {
    root: &'a Value,
    list: Vec<Field>,
}

/// Where a schema applies.
struct Place<'p> {
    path: &'p [String],
    need: Need,
    /// What the default of the object has here.
    default: Option<&'p Value>,
    is_single: bool,
}

/// What is below a place.
enum Below<'a> {
    Nothing,
    /// The fields of an object.
    Fields,
    /// The items of a list, or the values of a map.
    Each(&'static str, Layers<'a>),
}

impl<'a> Reader<'a> {
    fn read(&mut self, layers: &Layers<'a>, place: &Place<'_>) {
        let is_full = place.path.len() >= MOST_DEPTH || self.list.len() >= MOST_FIELDS;
        let (shape, below) = self.shape(layers, is_full);
        let default = layers.get("default").filter(|default| !default.is_null());
        let default = default.or(place.default);
        let is_object = matches!(shape, Shape::Object);
        self.list.push(Field {
            path: place.path.to_vec(),
            need: place.need.clone(),
            // The default of an object is that of its fields.
            default: default.filter(|_| !is_object).cloned(),
            meaning: layers.text("description").map(paragraphs).unwrap_or_default(),
            deprecated: layers.get("deprecated").and_then(Value::as_bool).unwrap_or(false),
            is_single: place.is_single,
            shape,
        });
        match below {
            Below::Nothing => {}
            Below::Fields => self.read_fields(layers, place, default),
            Below::Each(mark, item) => self.read_each(mark, &item, place),
        }
    }

    fn read_fields(&mut self, layers: &Layers<'a>, place: &Place<'_>, default: Option<&Value>) {
        for (name, schema, is_required) in layers.properties() {
            let path = [place.path, &[name.to_owned()]].concat();
            let need = match (&place.need, is_required) {
                (_, false) => Need::Optional,
                (Need::Optional, true) => Need::RequiredIn(place.path.join(".")),
                (above, true) => above.clone(),
            };
            let default = default.and_then(|default| default.get(name));
            let below = Layers::at(self.root, schema, &layers.references);
            let is_single = place.is_single;
            self.read(&below, &Place { path: &path, need, default, is_single });
        }
        let what = match (layers.alternatives.len(), layers.any_field()) {
            (0, None) => return,
            (0, Some(_)) => "any JSON".to_owned(),
            _ => forms(layers),
        };
        self.list.push(Field {
            path: [place.path, &["…".to_owned()]].concat(),
            shape: Shape::Other(what),
            need: Need::Optional,
            default: None,
            meaning: String::new(),
            deprecated: false,
            is_single: place.is_single,
        });
    }

    /// The fields of the objects in a list or a map; other items have no names.
    fn read_each(&mut self, mark: &str, item: &Layers<'a>, place: &Place<'_>) {
        if item.is_recursive || !matches!(self.shape(item, false), (Shape::Object, _)) {
            return;
        }
        let mut path = place.path.to_vec();
        match path.last_mut().filter(|_| mark == "[]") {
            Some(name) => name.push_str(mark),
            None => path.push(mark.to_owned()),
        }
        let below = Place { path: &path, need: Need::Required, default: None, is_single: false };
        self.read_fields(item, &below, None);
    }

    /// What can be at a place, and what is below it.
    fn shape(&self, layers: &Layers<'a>, is_full: bool) -> (Shape, Below<'a>) {
        let other = |words: &str| (Shape::Other(words.to_owned()), Below::Nothing);
        if let Some(choices) = layers.choices(self.root) {
            return (Shape::One(Scalar::Choice(choices)), Below::Nothing);
        }
        let types = layers.types();
        match types.as_slice() {
            ["object"] if layers.is_recursive || is_full => other("object"),
            ["object"] => self.object(layers),
            _ if !layers.alternatives.is_empty() => other(&forms(layers)),
            ["array"] => self.array(layers, is_full),
            ["null"] => other("null"),
            [] if layers.is_recursive => other("object"),
            [] => other("any JSON"),
            [name] => match Scalar::of(name, &layers.schemas) {
                Some(scalar) => (Shape::One(scalar), Below::Nothing),
                None => other("any JSON"),
            },
            several => {
                let words = several.iter().map(|name| noun(name));
                other(&words.collect::<Vec<_>>().join(" or "))
            }
        }
    }

    fn object(&self, layers: &Layers<'a>) -> (Shape, Below<'a>) {
        if !layers.properties().is_empty() {
            return (Shape::Object, Below::Fields);
        }
        if !layers.alternatives.is_empty() {
            return (Shape::Other(forms(layers)), Below::Nothing);
        }
        let Some(value) = layers.any_field() else {
            return (Shape::Other("object".to_owned()), Below::Nothing);
        };
        let value = Layers::at(self.root, value, &layers.references);
        let words = match self.plural(&value) {
            Some(plural) => format!("map of {plural}"),
            None => "map".to_owned(),
        };
        (Shape::Other(words), Below::Each("*", value))
    }

    fn array(&self, layers: &Layers<'a>, is_full: bool) -> (Shape, Below<'a>) {
        let list = |words: &str| Shape::Other(words.to_owned());
        let Some(items) = layers.get("items").filter(|_| layers.get("prefixItems").is_none())
        else {
            return (list("list"), Below::Nothing);
        };
        let items = Layers::at(self.root, items, &layers.references);
        if let (Shape::One(scalar), _) = self.shape(&items, true) {
            let mut count = Count::default();
            for schema in &layers.schemas {
                count.add(schema, "minItems", "maxItems");
            }
            return (Shape::List(scalar, count), Below::Nothing);
        }
        let words =
            self.plural(&items).map_or("list".to_owned(), |words| format!("list of {words}"));
        let below = if is_full { Below::Nothing } else { Below::Each("[]", items) };
        (list(&words), below)
    }

    /// The word for several such values, if there is one.
    fn plural(&self, layers: &Layers<'a>) -> Option<&'static str> {
        if let Some(choices) = layers.choices(self.root) {
            return Some(Scalar::Choice(choices).plural());
        }
        match layers.types().as_slice() {
            ["object"] => Some("objects"),
            ["array"] => Some("lists"),
            [name] => Scalar::of(name, &layers.schemas).map(|scalar| scalar.plural()),
            [] if layers.is_recursive => Some("objects"),
            _ => None,
        }
    }
}

/// What is said of a value that has one of several forms.
fn forms(layers: &Layers<'_>) -> String {
    format!("one of {} forms", layers.alternatives.len())
}

/// Our word for a type of JSON Schema.
fn noun(name: &str) -> &str {
    match name {
        "string" => "text",
        "array" => "list",
        other => other,
    }
}

/// A doc comment with one line for each paragraph, and for each item of a list.
pub(super) fn paragraphs(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut is_new = true;
    for line in text.lines().map(str::trim) {
        let is_item = ["- ", "* ", "+ "].iter().any(|mark| line.starts_with(mark));
        match lines.last_mut() {
            _ if line.is_empty() => is_new = true,
            Some(paragraph) if !is_new && !is_item => {
                paragraph.push(' ');
                paragraph.push_str(line);
            }
            _ => {
                lines.push(line.to_owned());
                is_new = false;
            }
        }
    }
    lines.join("\n")
}
