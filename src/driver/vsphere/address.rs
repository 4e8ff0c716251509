//! The way to a machine's guest: an address that VMware's tools tell, that stays, and that is in the right network.
