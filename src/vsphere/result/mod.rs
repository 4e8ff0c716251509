//! What a machine gets before it is a result, whoever made it, and how it takes the place of an older one.
mod finish;
mod name;
mod ours;
mod replace;

pub use finish::Finish;
pub use name::check_name;
pub use ours::{is_published, line};
pub use replace::{SUFFIX, in_the_way, name_until_then, take_the_place};
