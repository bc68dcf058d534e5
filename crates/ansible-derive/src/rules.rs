//! The struct's `#[args(…)]`: rules between options.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{DeriveInput, Error, LitBool, LitStr, Result};

use crate::parse::{Json, Names, groups, value};

/// What `#[args(…)]` says: the statements that write it into `spec`, and the
/// options that it names.
pub(crate) struct Rules {
    pub(crate) statements: Vec<TokenStream>,
    pub(crate) names: Vec<LitStr>,
    check_mode: bool,
}

impl Rules {
    pub(crate) fn new(input: &DeriveInput) -> Result<Self> {
        let mut rules = Self {
            statements: Vec::new(),
            names: Vec::new(),
            check_mode: true,
        };
        for attribute in &input.attrs {
            if attribute.path().is_ident("args") {
                attribute.parse_nested_meta(|meta| rules.read(&meta))?;
            }
        }
        let check_mode = rules.check_mode;
        rules
            .statements
            .push(quote!(spec.supports_check_mode = #check_mode;));
        Ok(rules)
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(key) = meta.path.get_ident() else {
            return Err(meta.error("expected one word"));
        };
        match key.to_string().as_str() {
            "mutually_exclusive" | "required_together" | "required_one_of" => {
                for group in groups(meta)? {
                    let code = group.to_code();
                    self.statements.push(quote!(spec.#key.push(#code);));
                    self.names.extend(group.0);
                }
            }
            "required_if" => self.required_if(meta)?,
            "required_by" => self.required_by(meta)?,
            "check_mode" => self.check_mode = value::<LitBool>(meta)?.value,
            _ => {
                return Err(meta.error(
                    "no such rule; there are: mutually_exclusive, required_together, \
                     required_one_of, required_if, required_by, check_mode",
                ));
            }
        }
        Ok(())
    }

    fn required_if(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let (mut key, mut wanted, mut requirements) = (None, None, None);
        meta.parse_nested_meta(|meta| {
            if meta.path.is_ident("key") {
                key = Some(value::<LitStr>(&meta)?);
            } else if meta.path.is_ident("value") {
                wanted = Some(value::<Json>(&meta)?);
            } else if meta.path.is_ident("all") {
                requirements = Some((value::<Names>(&meta)?, false));
            } else if meta.path.is_ident("any") {
                requirements = Some((value::<Names>(&meta)?, true));
            } else {
                return Err(meta.error("expected key, value, all or any"));
            }
            Ok(())
        })?;
        let (Some(key), Some(wanted), Some((requirements, any))) = (key, wanted, requirements)
        else {
            return Err(
                meta.error("expected required_if(key = \"…\", value = …, all = […]) or any = […]")
            );
        };
        let (code, wanted) = (requirements.to_code(), wanted.to_code());
        self.statements.push(quote! {
            spec.required_if.push(::ansible::spec::RequiredIf {
                key: ::std::convert::Into::into(#key),
                value: #wanted,
                requirements: #code,
                any: #any,
            });
        });
        self.names.push(key);
        self.names.extend(requirements.0);
        Ok(())
    }

    fn required_by(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let (mut key, mut requires) = (None, None);
        meta.parse_nested_meta(|meta| {
            if meta.path.is_ident("key") {
                key = Some(value::<LitStr>(&meta)?);
            } else if meta.path.is_ident("requires") {
                requires = Some(value::<Names>(&meta)?);
            } else {
                return Err(meta.error("expected key or requires"));
            }
            Ok(())
        })?;
        let (Some(key), Some(requires)) = (key, requires) else {
            return Err(meta.error("expected required_by(key = \"…\", requires = […])"));
        };
        let code = requires.to_code();
        self.statements.push(quote! {
            spec.required_by.push((::std::convert::Into::into(#key), #code));
        });
        self.names.push(key);
        self.names.extend(requires.0);
        Ok(())
    }

    /// Every name must be one of the options, as far as they can be seen: a
    /// flattened struct's options cannot.
    pub(crate) fn hold(&self, options: &[String]) -> Result<()> {
        match self
            .names
            .iter()
            .find(|name| !options.contains(&name.value()))
        {
            Some(name) => Err(Error::new(name.span(), "no option has this name")),
            None => Ok(()),
        }
    }
}
