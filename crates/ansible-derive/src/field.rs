//! One field: its `#[arg(…)]`, and the code that describes and reads it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Error, Field, Ident, LitBool, LitStr, Result, Type};

use crate::parse::{Json, Names, paragraphs, value};

const KINDS: [&str; 9] = [
    "str", "int", "float", "bool", "list", "dict", "path", "raw", "json",
];

/// What a field is.
pub(crate) struct OptionField<'a> {
    pub(crate) ident: &'a Ident,
    ty: &'a Type,
    pub(crate) name: LitStr,
    pub(crate) flatten: bool,
    paragraphs: Vec<String>,
    arg: Arg,
}

/// What `#[arg(…)]` says.
#[derive(Default)]
struct Arg {
    flatten: bool,
    required: bool,
    apply_defaults: bool,
    rename: Option<LitStr>,
    default: Option<Json>,
    choices: Option<Json>,
    aliases: Vec<LitStr>,
    deprecated: Vec<Deprecated>,
    env: Option<Names>,
    no_log: Option<LitBool>,
    kind: Option<Ident>,
    elements: Option<Ident>,
    removed: Vec<(&'static str, LitStr)>,
}

#[derive(Default)]
struct Deprecated {
    name: Option<LitStr>,
    rest: Vec<(&'static str, LitStr)>,
}

impl<'a> OptionField<'a> {
    pub(crate) fn new(field: &'a Field) -> Result<Self> {
        let Some(ident) = &field.ident else {
            return Err(Error::new_spanned(field, "an option needs a name"));
        };
        let mut arg = Arg::default();
        let mut place = ident.span();
        for attribute in &field.attrs {
            if attribute.path().is_ident("arg") {
                place = attribute.span();
                attribute.parse_nested_meta(|meta| arg.read(&meta))?;
            }
        }
        let name = arg
            .rename
            .clone()
            .unwrap_or_else(|| LitStr::new(&ident.unraw().to_string(), ident.span()));
        let option = Self {
            ident,
            ty: &field.ty,
            name,
            flatten: arg.flatten,
            paragraphs: paragraphs(&field.attrs),
            arg,
        };
        option.hold(place)?;
        Ok(option)
    }

    /// What would be wrong with the option in every run.
    fn hold(&self, place: proc_macro2::Span) -> Result<()> {
        if self.flatten {
            return Ok(());
        }
        let wrong = |text: &str| Err(Error::new(place, text));
        if self.paragraphs.is_empty() {
            return wrong("an option needs a doc comment: it is the documentation");
        }
        if self.arg.required && self.arg.default.is_some() {
            return wrong("an option that is required has no default");
        }
        let outer = outer_type(self.ty);
        let may_be_absent = ["Option", "Vec", "BTreeMap", "Value"].contains(&outer.as_str());
        if !self.arg.required && self.arg.default.is_none() && !may_be_absent {
            return wrong(
                "this option may be absent: make its type an `Option`, or say \
                 `required` or `default = …`",
            );
        }
        // Ansible itself warns about such names at every run.
        if self.arg.no_log.is_none()
            && sounds_secret(&self.name.value())
            && !mentions(self.ty, "Secret")
        {
            return wrong(
                "this name sounds like a secret: make the type `Secret`, or say \
                 `no_log = true` or `no_log = false`",
            );
        }
        Ok(())
    }

    /// The statement that adds the option to `spec`.
    pub(crate) fn describe(&self) -> TokenStream {
        let ty = self.ty;
        if self.flatten {
            return quote!(spec.merge(<#ty as ::ansible::Args>::spec()););
        }
        let name = &self.name;
        let paragraphs = &self.paragraphs;
        let settings = self.arg.settings();
        quote! {
            let mut option = ::ansible::args::option::<#ty>(#name, &[#(#paragraphs),*]);
            #(option.#settings;)*
            spec.put(option);
        }
    }

    /// The field in the struct's expression.
    pub(crate) fn read(&self) -> TokenStream {
        let ident = self.ident;
        if self.flatten {
            return quote!(#ident: ::ansible::args::flattened(values)?);
        }
        let name = &self.name;
        quote!(#ident: ::ansible::args::read(values, #name)?)
    }
}

impl Arg {
    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(key) = meta.path.get_ident() else {
            return Err(meta.error("expected one word"));
        };
        match key.to_string().as_str() {
            "flatten" => self.flatten = true,
            "required" => self.required = true,
            "apply_defaults" => self.apply_defaults = true,
            "rename" => self.rename = Some(value(meta)?),
            "default" => self.default = Some(value(meta)?),
            "choices" => self.choices = Some(value(meta)?),
            "aliases" => self.aliases.extend(value::<Names>(meta)?.0),
            "deprecated_alias" => {
                let deprecated = Deprecated::read(meta)?;
                self.aliases.extend(deprecated.name.clone());
                self.deprecated.push(deprecated);
            }
            "env" => self.env = Some(value(meta)?),
            "no_log" => self.no_log = Some(value(meta)?),
            "kind" => self.kind = Some(kind(&value(meta)?)?),
            "elements" => self.elements = Some(kind(&value(meta)?)?),
            "removed_in_version" => self.removed.push(("removed_in_version", value(meta)?)),
            "removed_at_date" => self.removed.push(("removed_at_date", value(meta)?)),
            "removed_from_collection" => {
                self.removed.push(("removed_from_collection", value(meta)?));
            }
            _ => {
                return Err(meta.error(
                    "no such setting of an option; there are: required, default, aliases, \
                     deprecated_alias, choices, env, no_log, kind, elements, rename, flatten, \
                     apply_defaults, removed_in_version, removed_at_date, \
                     removed_from_collection",
                ));
            }
        }
        Ok(())
    }

    /// `field = value` for each field of `Opt` that the attribute sets.
    fn settings(&self) -> Vec<TokenStream> {
        let mut settings = Vec::new();
        let some = |tokens: TokenStream| quote!(::std::option::Option::Some(#tokens));
        if let Some(kind) = &self.kind {
            settings.push(quote!(kind = ::ansible::Kind::#kind));
        }
        if let Some(elements) = &self.elements {
            let elements = some(quote!(::ansible::Kind::#elements));
            settings.push(quote!(elements = #elements));
        }
        if self.required {
            settings.push(quote!(required = true));
        }
        if self.apply_defaults {
            settings.push(quote!(apply_defaults = true));
        }
        if let Some(default) = &self.default {
            let default = some(default.to_code());
            settings.push(quote!(default = #default));
        }
        if let Some(choices) = &self.choices {
            let choices = choices.to_code();
            settings.push(quote!(choices = #choices.as_array().cloned()));
        }
        if !self.aliases.is_empty() {
            let aliases = Names(self.aliases.clone()).to_code();
            settings.push(quote!(aliases = #aliases));
        }
        if !self.deprecated.is_empty() {
            let deprecated = self.deprecated.iter().map(Deprecated::to_code);
            settings.push(quote!(deprecated_aliases = ::std::vec![#(#deprecated),*]));
        }
        if let Some(env) = &self.env {
            let env = env.to_code();
            settings.push(quote!(fallback = #env));
        }
        if let Some(no_log) = &self.no_log {
            let no_log = some(quote!(#no_log));
            settings.push(quote!(no_log = #no_log));
        }
        for (key, text) in &self.removed {
            let key = Ident::new(key, text.span());
            let text = some(quote!(::std::convert::Into::into(#text)));
            settings.push(quote!(#key = #text));
        }
        settings
    }
}

impl Deprecated {
    fn read(meta: &ParseNestedMeta<'_>) -> Result<Self> {
        let mut deprecated = Self::default();
        meta.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                deprecated.name = Some(value(&meta)?);
                return Ok(());
            }
            for key in ["version", "date", "collection_name"] {
                if meta.path.is_ident(key) {
                    deprecated.rest.push((key, value(&meta)?));
                    return Ok(());
                }
            }
            Err(meta.error("expected name, version, date or collection_name"))
        })?;
        if deprecated.name.is_none() {
            return Err(meta.error("a deprecated alias needs `name = \"…\"`"));
        }
        Ok(deprecated)
    }

    fn to_code(&self) -> TokenStream {
        let name = &self.name;
        let rest = self.rest.iter().map(|(key, text)| {
            let key = Ident::new(key, text.span());
            quote!(#key: ::std::option::Option::Some(::std::convert::Into::into(#text)))
        });
        quote! {
            ::ansible::spec::DeprecatedAlias {
                name: ::std::convert::Into::into(#name),
                #(#rest,)*
                ..::std::default::Default::default()
            }
        }
    }
}

/// The variant of `Kind` that a name stands for.
fn kind(name: &LitStr) -> Result<Ident> {
    let text = name.value();
    if !KINDS.contains(&text.as_str()) {
        return Err(Error::new(
            name.span(),
            format!("no such type; there are: {}", KINDS.join(", ")),
        ));
    }
    let (first, rest) = text.split_at(1);
    Ok(Ident::new(
        &format!("{}{rest}", first.to_uppercase()),
        name.span(),
    ))
}

/// The last word of a type's path, without its arguments: `Option` of
/// `std::option::Option<T>`.
fn outer_type(ty: &Type) -> String {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .map(|segment| segment.ident.to_string())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// Whether a word occurs in a type.
fn mentions(ty: &Type, word: &str) -> bool {
    quote!(#ty)
        .to_string()
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|part| part == word)
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let pass = name
        .match_indices("pass")
        .any(|(at, _)| !name[at + 4..].starts_with("ive"));
    pass || ["secret", "token", "cryptkey"]
        .iter()
        .any(|word| name.contains(word))
}
