//! `#[derive(Args)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DataStruct, DeriveInput, Error, Fields, Result};

use crate::field::OptionField;
use crate::rules::Rules;

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(DataStruct {
        fields: Fields::Named(fields),
        ..
    }) = &input.data
    else {
        return Err(Error::new_spanned(
            &input.ident,
            "`Args` is for structs with named fields: each field is an option",
        ));
    };
    let fields: Vec<OptionField<'_>> = fields
        .named
        .iter()
        .map(OptionField::new)
        .collect::<Result<_>>()?;
    let rules = Rules::new(input)?;
    if !fields.iter().any(|field| field.flatten) {
        let names: Vec<String> = fields.iter().map(|field| field.name.value()).collect();
        rules.hold(&names)?;
    }

    let ident = &input.ident;
    let describe = fields.iter().map(OptionField::describe);
    let read = fields.iter().map(OptionField::read);
    let rules = &rules.statements;
    Ok(quote! {
        #[automatically_derived]
        impl ::ansible::Args for #ident {
            fn spec() -> ::ansible::Spec {
                let mut spec = ::ansible::Spec::default();
                #(#describe)*
                #(#rules)*
                spec
            }

            fn from_values(
                values: &::ansible::__private::Map<
                    ::std::string::String,
                    ::ansible::__private::Value,
                >,
            ) -> ::std::result::Result<Self, ::ansible::ArgsError> {
                ::std::result::Result::Ok(Self { #(#read,)* })
            }
        }

        #[automatically_derived]
        impl ::ansible::FromValue for #ident {
            fn describe(option: &mut ::ansible::Opt) {
                ::ansible::args::describe_struct::<Self>(option);
            }

            fn from_value(
                value: &::ansible::__private::Value,
            ) -> ::std::result::Result<Self, ::ansible::ArgsError> {
                ::ansible::args::read_struct(value)
            }
        }
    })
}
