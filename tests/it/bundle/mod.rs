//! Bundles through the real binary: made from a definition or a list, carried, served, pushed, taken apart.
mod create;
mod delta;
mod faults;
mod locked;
mod offline;
mod pushed;
mod reader;
mod served;
mod site;
