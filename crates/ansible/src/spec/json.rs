//! A spec as JSON, in the form in which a Python module writes its own:
//! `argument_spec` by name, the rules beside it, a sub-spec's rules beside
//! its `options`.

use serde_json::{Map, Value, json};

use super::{DeprecatedAlias, Kind, Opt, RequiredIf, Spec, Text};

/// A JSON text that is no argument spec.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no argument spec at `{path}`: {what}")]
pub struct SpecError {
    /// Where, as names joined by dots.
    path: String,
    /// What is wrong there.
    what: String,
}

impl SpecError {
    fn new(what: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            what: what.into(),
        }
    }

    fn at(mut self, name: &str) -> Self {
        let rest = if self.path.is_empty() { "" } else { "." };
        self.path = format!("{name}{rest}{}", self.path);
        self
    }
}

type Parsed<T> = Result<T, SpecError>;

impl Spec {
    /// Reads a module's spec: `argument_spec`, the rules, `supports_check_mode`.
    pub fn from_json(value: &Value) -> Result<Self, SpecError> {
        let map = object(value)?;
        let mut spec = from_parts(map, "argument_spec")?;
        spec.supports_check_mode = flag(map, "supports_check_mode")?.unwrap_or(false);
        Ok(spec)
    }

    /// Writes the spec in the form that [`Spec::from_json`] reads.
    /// Descriptions are left out: they are documentation.
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        write_parts(self, "argument_spec", &mut map);
        map.insert(
            "supports_check_mode".into(),
            json!(self.supports_check_mode),
        );
        Value::Object(map)
    }
}

fn from_parts(map: &Map<String, Value>, key: &str) -> Parsed<Spec> {
    let mut spec = Spec::default();
    if let Some(options) = present(map, key) {
        for (name, value) in object(options).map_err(|error| error.at(key))? {
            spec.options
                .push(option(name, value).map_err(|error| error.at(name))?);
        }
    }
    spec.mutually_exclusive = groups(map, "mutually_exclusive")?;
    spec.required_together = groups(map, "required_together")?;
    spec.required_one_of = groups(map, "required_one_of")?;
    if let Some(rules) = present(map, "required_if") {
        spec.required_if = array(rules)
            .and_then(|rules| rules.iter().map(required_if).collect())
            .map_err(|error| error.at("required_if"))?;
    }
    if let Some(rules) = present(map, "required_by") {
        for (name, required) in object(rules).map_err(|error| error.at("required_by"))? {
            let required = match required {
                Value::String(one) => vec![Text::from(one.clone())],
                several => texts(several).map_err(|error| error.at("required_by"))?,
            };
            spec.required_by.push((name.clone().into(), required));
        }
    }
    Ok(spec)
}

fn option(name: &str, value: &Value) -> Parsed<Opt> {
    let map = object(value)?;
    let sub_spec = match present(map, "options") {
        Some(_) => Some(Box::new(from_parts(map, "options")?)),
        None => None,
    };
    Ok(Opt {
        name: name.to_owned().into(),
        kind: kind(map, "type")?.unwrap_or_default(),
        elements: kind(map, "elements")?,
        required: flag(map, "required")?.unwrap_or(false),
        default: present(map, "default").cloned(),
        aliases: present(map, "aliases").map_or(Ok(Vec::new()), texts)?,
        deprecated_aliases: present(map, "deprecated_aliases").map_or(Ok(Vec::new()), |list| {
            array(list)?.iter().map(deprecated_alias).collect()
        })?,
        choices: present(map, "choices")
            .map(|list| array(list).cloned())
            .transpose()?,
        fallback: present(map, "fallback").map_or(Ok(Vec::new()), fallback)?,
        no_log: flag(map, "no_log")?,
        options: sub_spec,
        apply_defaults: flag(map, "apply_defaults")?.unwrap_or(false),
        removed_in_version: text(map, "removed_in_version")?,
        removed_at_date: text(map, "removed_at_date")?,
        removed_from_collection: text(map, "removed_from_collection")?,
        description: Vec::new(),
    })
}

fn write_parts(spec: &Spec, key: &str, map: &mut Map<String, Value>) {
    let options: Map<String, Value> = spec
        .options
        .iter()
        .map(|option| (option.name.to_string(), write_option(option)))
        .collect();
    map.insert(key.into(), Value::Object(options));
    for (rule, groups) in [
        ("mutually_exclusive", &spec.mutually_exclusive),
        ("required_together", &spec.required_together),
        ("required_one_of", &spec.required_one_of),
    ] {
        if !groups.is_empty() {
            map.insert(rule.into(), json!(groups));
        }
    }
    if !spec.required_if.is_empty() {
        let rules = spec.required_if.iter().map(|rule| {
            if rule.any {
                json!([rule.key, rule.value, rule.requirements, true])
            } else {
                json!([rule.key, rule.value, rule.requirements])
            }
        });
        map.insert("required_if".into(), rules.collect());
    }
    if !spec.required_by.is_empty() {
        let rules: Map<String, Value> = spec
            .required_by
            .iter()
            .map(|(key, required)| (key.to_string(), json!(required)))
            .collect();
        map.insert("required_by".into(), Value::Object(rules));
    }
}

fn write_option(option: &Opt) -> Value {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| {
        map.insert(key.to_owned(), value);
    };
    put("type", json!(option.kind.name()));
    if let Some(elements) = option.elements {
        put("elements", json!(elements.name()));
    }
    if option.required {
        put("required", json!(true));
    }
    if let Some(default) = &option.default {
        put("default", default.clone());
    }
    if !option.aliases.is_empty() {
        put("aliases", json!(option.aliases));
    }
    if !option.deprecated_aliases.is_empty() {
        let aliases = option.deprecated_aliases.iter().map(|alias| {
            let mut map = Map::new();
            map.insert("name".into(), json!(alias.name));
            for (key, value) in [
                ("version", &alias.version),
                ("date", &alias.date),
                ("collection_name", &alias.collection_name),
            ] {
                if let Some(value) = value {
                    map.insert(key.into(), json!(value));
                }
            }
            Value::Object(map)
        });
        put("deprecated_aliases", aliases.collect());
    }
    if let Some(choices) = &option.choices {
        put("choices", json!(choices));
    }
    if !option.fallback.is_empty() {
        put("fallback", json!(["env_fallback", option.fallback]));
    }
    if let Some(no_log) = option.no_log {
        put("no_log", json!(no_log));
    }
    if option.apply_defaults {
        put("apply_defaults", json!(true));
    }
    for (key, value) in [
        ("removed_in_version", &option.removed_in_version),
        ("removed_at_date", &option.removed_at_date),
        ("removed_from_collection", &option.removed_from_collection),
    ] {
        if let Some(value) = value {
            put(key, json!(value));
        }
    }
    if let Some(sub_spec) = &option.options {
        write_parts(sub_spec, "options", &mut map);
    }
    Value::Object(map)
}

fn required_if(rule: &Value) -> Parsed<RequiredIf> {
    let (key, value, requirements, any) = match array(rule)?.as_slice() {
        [Value::String(key), value, requirements] => (key, value, requirements, false),
        [Value::String(key), value, requirements, Value::Bool(any)] => {
            (key, value, requirements, *any)
        }
        _ => return Err(SpecError::new("expected [key, value, [options], any]")),
    };
    Ok(RequiredIf {
        key: key.clone().into(),
        value: value.clone(),
        requirements: texts(requirements)?,
        any,
    })
}

fn deprecated_alias(value: &Value) -> Parsed<DeprecatedAlias> {
    let map = object(value)?;
    Ok(DeprecatedAlias {
        name: text(map, "name")?.ok_or_else(|| SpecError::new("a deprecated alias has no name"))?,
        version: text(map, "version")?,
        date: text(map, "date")?,
        collection_name: text(map, "collection_name")?,
    })
}

fn fallback(value: &Value) -> Parsed<Vec<Text>> {
    match array(value)?.as_slice() {
        [Value::String(strategy), names] if strategy == "env_fallback" => texts(names),
        _ => Err(SpecError::new("expected [\"env_fallback\", [names]]")),
    }
}

fn groups(map: &Map<String, Value>, key: &str) -> Parsed<Vec<Vec<Text>>> {
    present(map, key).map_or(Ok(Vec::new()), |groups| {
        array(groups)
            .and_then(|groups| groups.iter().map(texts).collect())
            .map_err(|error| error.at(key))
    })
}

/// The value of a key; `null` says as much as no key.
fn present<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

fn kind(map: &Map<String, Value>, key: &str) -> Parsed<Option<Kind>> {
    let name = text(map, key)?;
    name.map(|name| {
        Kind::from_name(&name).ok_or_else(|| SpecError::new(format!("no type `{name}`")))
    })
    .transpose()
}

fn flag(map: &Map<String, Value>, key: &str) -> Parsed<Option<bool>> {
    present(map, key)
        .map(|value| {
            value
                .as_bool()
                .ok_or_else(|| SpecError::new("expected true or false").at(key))
        })
        .transpose()
}

fn text(map: &Map<String, Value>, key: &str) -> Parsed<Option<Text>> {
    present(map, key)
        .map(|value| {
            let text = value.as_str();
            text.map(|text| Text::from(text.to_owned()))
                .ok_or_else(|| SpecError::new("expected a text").at(key))
        })
        .transpose()
}

fn texts(value: &Value) -> Parsed<Vec<Text>> {
    array(value)?
        .iter()
        .map(|entry| {
            let text = entry.as_str();
            text.map(|text| Text::from(text.to_owned()))
                .ok_or_else(|| SpecError::new("expected a list of texts"))
        })
        .collect()
}

fn array(value: &Value) -> Parsed<&Vec<Value>> {
    value
        .as_array()
        .ok_or_else(|| SpecError::new("expected a list"))
}

fn object(value: &Value) -> Parsed<&Map<String, Value>> {
    value
        .as_object()
        .ok_or_else(|| SpecError::new("expected a dictionary"))
}
