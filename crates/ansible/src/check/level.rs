//! The steps of the check on one level: the top level's options, or the
//! sub-options of one dictionary.

use serde_json::{Map, Value};

use super::{State, names, no_log, rules};
use crate::spec::{Kind, Spec};

pub(super) type Values = Map<String, Value>;

impl State<'_> {
    /// Checks one level and those below it. `context` holds the names of the
    /// options above; `prefix` the same with indexes, as `vms[0].`.
    pub(super) fn level<'s>(
        &mut self,
        spec: &'s Spec,
        values: &mut Values,
        context: &mut Vec<&'s str>,
        prefix: &str,
    ) {
        self.fall_back(spec, values, prefix);
        self.resolve_aliases(spec, values, context.is_empty(), prefix);
        for option in &spec.options {
            if values
                .get(option.name.as_ref())
                .is_some_and(|value| !value.is_null())
            {
                self.given.insert(format!("{prefix}{}", option.name));
            }
        }
        match no_log::listed(spec, values) {
            Ok(found) => self.no_log_values.extend(found),
            Err(message) => self.errors.push(message),
        }
        if context.is_empty() {
            names::list_deprecations(spec, values, "", &mut self.deprecations);
        }
        self.find_unsupported(spec, values, context);

        let within = found_in(context);
        self.hold(rules::mutually_exclusive(spec, values), &within);
        self.fill_defaults(spec, values);
        self.hold(rules::required(spec, values), &within);
        self.convert_types(spec, values, context);
        self.hold_choices(spec, values, &within);
        self.hold(rules::required_together(spec, values), &within);
        self.hold(rules::required_one_of(spec, values), &within);
        self.hold(rules::required_if(spec, values), &within);
        self.hold(rules::required_by(spec, values), &within);
        for option in &spec.options {
            if !values.contains_key(option.name.as_ref()) {
                values.insert(option.name.to_string(), Value::Null);
            }
        }
        self.sub_levels(spec, values, context, prefix);
    }

    /// Keeps the message of a rule that is broken.
    fn hold(&mut self, broken: Option<String>, within: &str) {
        self.errors
            .extend(broken.map(|message| format!("{message}{within}")));
    }

    /// Environment variables stand in for options that were not given.
    fn fall_back(&mut self, spec: &Spec, values: &mut Values, prefix: &str) {
        for option in &spec.options {
            if values.contains_key(option.name.as_ref()) {
                continue;
            }
            if let Some(value) = option.fallback.iter().find_map(|name| (self.env)(name)) {
                if option.is_secret() && !value.is_empty() {
                    self.no_log_values.insert(value.clone());
                }
                values.insert(option.name.to_string(), value.into());
                self.from_environment
                    .insert(format!("{prefix}{}", option.name));
            }
        }
    }

    fn fill_defaults(&mut self, spec: &Spec, values: &mut Values) {
        for option in &spec.options {
            let Some(default) = &option.default else {
                continue;
            };
            if !values.contains_key(option.name.as_ref()) {
                if option.is_secret() {
                    no_log::texts(default, &mut self.no_log_values);
                }
                values.insert(option.name.to_string(), default.clone());
            }
        }
    }

    fn sub_levels<'s>(
        &mut self,
        spec: &'s Spec,
        values: &mut Values,
        context: &mut Vec<&'s str>,
        prefix: &str,
    ) {
        for option in &spec.options {
            let Some(sub_spec) = option.sub_spec() else {
                continue;
            };
            let Some(value) = values.get_mut(option.name.as_ref()) else {
                continue;
            };
            if value.is_null() {
                if !option.apply_defaults {
                    continue;
                }
                *value = Value::Object(Map::new());
            }
            let elements = match value {
                Value::Array(elements) => elements.as_mut_slice(),
                single => std::slice::from_mut(single),
            };
            context.push(&option.name);
            for (index, element) in elements.iter_mut().enumerate() {
                let Value::Object(sub_values) = element else {
                    self.errors.push(format!(
                        "value of '{}' must be of type dict or list of dicts",
                        option.name
                    ));
                    continue;
                };
                let prefix = match option.kind {
                    Kind::List => format!("{prefix}{}[{index}].", option.name),
                    _ => format!("{prefix}{}.", option.name),
                };
                self.level(sub_spec, sub_values, context, &prefix);
            }
            context.pop();
        }
    }
}

/// ` found in vms -> net`, or nothing at the top level.
fn found_in(context: &[&str]) -> String {
    if context.is_empty() {
        String::new()
    } else {
        format!(" found in {}", context.join(" -> "))
    }
}
