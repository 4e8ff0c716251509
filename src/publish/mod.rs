//! What becomes of an image in Amazon's cloud: registered, copied, shared, named by channels, listed in tables, exported, retired.
//!
//! Nothing here prints; what is found and done is data, and progress is events.
pub mod ami;
pub mod notify;
pub mod table;
