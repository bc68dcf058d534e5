//! Everything of this crate that needs a server, against one in this process
//! that misbehaves on purpose.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod diagnosis;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod login;
#[cfg(test)]
mod losses;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod support;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod uploads;
