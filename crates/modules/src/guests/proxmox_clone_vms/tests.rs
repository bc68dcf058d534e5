//! Tables over `plan`, against canned clusters.

mod found;
mod identity;
mod new;
mod site;
mod source;
mod whole;
