//! The small grammar that the attributes share.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Result, Token, bracketed, parenthesized};

/// `["a", "b"]`.
pub(crate) struct Names(pub(crate) Vec<LitStr>);

impl Parse for Names {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let content;
        bracketed!(content in input);
        let names = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
        Ok(Self(names.into_iter().collect()))
    }
}

impl Names {
    /// The code of a `Vec<Text>`.
    pub(crate) fn to_code(&self) -> TokenStream {
        let names = &self.0;
        quote!(::std::vec![#(::std::convert::Into::into(#names)),*])
    }
}

/// A value as `serde_json::json!` takes it, up to the next comma.
pub(crate) struct Json(TokenStream);

impl Parse for Json {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut tokens = TokenStream::new();
        while !input.is_empty() && !input.peek(Token![,]) {
            tokens.extend([input.parse::<TokenTree>()?]);
        }
        if tokens.is_empty() {
            return Err(input.error("expected a value"));
        }
        Ok(Self(tokens))
    }
}

impl Json {
    /// The code of a `Value`.
    pub(crate) fn to_code(&self) -> TokenStream {
        let tokens = &self.0;
        quote!(::ansible::__private::json!(#tokens))
    }
}

/// The value after `=`.
pub(crate) fn value<T: Parse>(meta: &ParseNestedMeta<'_>) -> Result<T> {
    meta.value()?.parse()
}

/// `([…], […])` after a rule's name.
pub(crate) fn groups(meta: &ParseNestedMeta<'_>) -> Result<Vec<Names>> {
    let content;
    parenthesized!(content in meta.input);
    let groups = Punctuated::<Names, Token![,]>::parse_terminated(&content)?;
    if groups.is_empty() {
        return Err(meta.error("expected at least one list of option names"));
    }
    Ok(groups.into_iter().collect())
}

/// The paragraphs of a doc comment, each on one line.
pub(crate) fn paragraphs(attributes: &[Attribute]) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for attribute in attributes {
        let Meta::NameValue(doc) = &attribute.meta else {
            continue;
        };
        let Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) = &doc.value
        else {
            continue;
        };
        if !doc.path.is_ident("doc") {
            continue;
        }
        for line in text.value().lines().map(str::trim) {
            match paragraphs.last_mut() {
                Some(last) if !line.is_empty() => {
                    if !last.is_empty() {
                        last.push(' ');
                    }
                    last.push_str(line);
                }
                Some(last) if !last.is_empty() => paragraphs.push(String::new()),
                _ => {}
            }
        }
        if text.value().trim().is_empty() && paragraphs.last().is_some_and(|last| !last.is_empty())
        {
            paragraphs.push(String::new());
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}
