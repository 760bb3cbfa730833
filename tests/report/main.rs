//! Reports as their readers meet them: the page and its files, plots and tables as text, logs, and numbers.

mod ascii;
mod bars;
mod csv;
mod folder;
mod format;
mod jsonl;
mod layout;
mod numbers;
mod overlay;
mod page;
mod pictures;
mod plot;
mod slugs;
mod sort;
mod table;
mod tensorboard;
mod values;
