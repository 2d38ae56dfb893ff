//! tmp
/// tmp
pub struct Fake;
