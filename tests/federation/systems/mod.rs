//! Systems that come with the program.

mod fedkseed;
