//! The last filter: no secret leaves the process.

/// tmp
#[derive(Debug, Default, Clone)]
pub struct Mask {}
impl Mask {
    /// a
    pub fn add(&mut self, _s: &str) {}
    /// b
    pub fn text(&self, t: &str) -> String {
        t.into()
    }
}
