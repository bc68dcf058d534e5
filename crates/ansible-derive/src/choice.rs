//! `#[derive(Choice)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, LitStr, Result, Variant};

use crate::parse::value;

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "`Choice` is for enums: each variant is a choice",
        ));
    };
    if data.variants.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "an option needs at least one choice",
        ));
    }
    let mut names: Vec<LitStr> = Vec::new();
    for variant in &data.variants {
        let name = name(variant)?;
        if names.iter().any(|known| known.value() == name.value()) {
            return Err(Error::new_spanned(variant, "two choices have this name"));
        }
        names.push(name);
    }
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let ident = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::ansible::Choice for #ident {
            const CHOICES: &'static [(&'static str, Self)] = &[#((#names, Self::#variants)),*];

            fn name(&self) -> &'static str {
                match self {
                    #(Self::#variants => #names,)*
                }
            }
        }

        #[automatically_derived]
        impl ::ansible::FromValue for #ident {
            fn describe(option: &mut ::ansible::Opt) {
                ::ansible::args::describe_choice::<Self>(option);
            }

            fn from_value(
                value: &::ansible::__private::Value,
            ) -> ::std::result::Result<Self, ::ansible::ArgsError> {
                match value.as_str() {
                    #(::std::option::Option::Some(#names) => {
                        ::std::result::Result::Ok(Self::#variants)
                    })*
                    _ => ::std::result::Result::Err(::ansible::args::no_choice::<Self>(value)),
                }
            }
        }
    })
}

/// The variant's name: what `#[choice(name = "…")]` says, else snake case.
fn name(variant: &Variant) -> Result<LitStr> {
    if !matches!(variant.fields, Fields::Unit) {
        return Err(Error::new_spanned(variant, "a choice carries no data"));
    }
    let mut name = None;
    for attribute in &variant.attrs {
        if attribute.path().is_ident("choice") {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    name = Some(value(&meta)?);
                    Ok(())
                } else {
                    Err(meta.error("expected `name = \"…\"`"))
                }
            })?;
        }
    }
    Ok(name.unwrap_or_else(|| {
        let snake = snake_case(&variant.ident.to_string());
        LitStr::new(&snake, variant.ident.span())
    }))
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
