//! Tables of the page that are sorted by a click on a column's name, without script.
//!
//! A page without script has no other state than what its inputs hold. So a table that can be sorted has a group of
//! radio buttons before it, two for each column and one for the order in which the rows are written; empty labels that
//! cover the column's name check them. Each row carries its rank in each column as a custom property, and the
//! rules in [`rules`] make the rank of the checked column the row's `order`. Once a column is checked the table is laid
//! out as a grid, in which `order` counts; until then it is a table as any other.

use super::Table;
use super::plot::escape;
use super::values::{Value, value};
use std::cmp::Ordering;

/// Fewer rows are taken in at a glance.
const LEAST_ROWS: usize = 4;

/// Rows beyond this are for programs, and ranks would weigh more than what they order.
const MOST_ROWS: usize = 200;

/// Ranks of the rows of a table, by the columns that order them.
pub(super) struct Sorting {
    name: String,
    columns: Vec<Option<Ranks>>,
}

/// The place of each row in a column.
struct Ranks {
    /// From 0; rows that are alike share theirs.
    ranks: Vec<usize>,
    /// Rows that come last in both directions.
    last: Vec<bool>,
    /// Whether the smallest is first, or the first in the alphabet.
    are_numbers: bool,
}

impl Sorting {
    /// Of a table with this slug; none where there is nothing to sort.
    pub(super) fn of(table: &Table, name: &str) -> Option<Self> {
        if !(LEAST_ROWS..=MOST_ROWS).contains(&table.rows.len()) {
            return None;
        }
        let columns: Vec<_> = (0..table.columns.len()).map(|column| Ranks::of(table, column)).collect();
        columns.iter().any(Option::is_some).then(|| Self { name: name.into(), columns })
    }

    /// The radio buttons, for the keyboard and for those who hear the page.
    pub(super) fn buttons(&self, table: &Table) -> String {
        let name = &self.name;
        let button = |id: &str, class: &str, rest: &str, says: &str| {
            format!(
                "<input type=\"radio\" name=\"sort-{name}\" id=\"sort-{name}{id}\" class=\"{class}\" autocomplete=\"off\"\
                 {rest} aria-label=\"{says}\">\n"
            )
        };
        let mut text = format!(
            "<div class=\"keys\" role=\"radiogroup\" aria-label=\"Order of the rows: {}\">\n",
            escape(&table.title)
        );
        text += &button("", "written", " checked", "as written");
        for (column, ranks) in self.columns.iter().enumerate() {
            let Some(ranks) = ranks else { continue };
            let [up, down] = match ranks.are_numbers {
                true => ["smallest first", "largest first"],
                false => ["from A to Z", "from Z to A"],
            };
            let name = escape(&table.columns[column]);
            text += &button(&format!("-up-{column}"), &format!("up-{column}"), "", &format!("{name}, {up}"));
            text += &button(
                &format!("-down-{column}"),
                &format!("down-{column}"),
                "",
                &format!("{name}, {down}"),
            );
        }
        text + "</div>\n"
    }

    /// What a column's heading holds beside its name: from one order to the next with each click.
    pub(super) fn labels(&self, column: usize) -> String {
        if self.columns.get(column).is_none_or(Option::is_none) {
            return String::new();
        }
        let name = &self.name;
        let label = |class: &str, button: &str| {
            format!("<label class=\"{class}\" for=\"sort-{name}{button}\"></label>")
        };
        [
            label("to-up", &format!("-up-{column}")),
            label("to-down", &format!("-down-{column}")),
            label("to-written", ""),
        ]
        .concat()
    }

    /// The attribute with a row's ranks.
    pub(super) fn ranks(&self, row: usize) -> String {
        let mut ranks = Vec::new();
        for (column, of) in self.columns.iter().enumerate() {
            let Some(of) = of else { continue };
            ranks.push(format!("--k{column}:{}", of.ranks[row]));
            if of.last[row] {
                ranks.push(format!("--d{column}:1"));
            }
        }
        format!(" style=\"{}\"", ranks.join(";"))
    }
}

impl Ranks {
    /// None for a column without a name, of numbers that cannot be compared, or all the same.
    fn of(table: &Table, column: usize) -> Option<Self> {
        if table.columns[column].trim().is_empty() {
            return None;
        }
        let cell =
            |row: &Vec<String>| row.get(column).map_or(String::new(), |cell| cell.trim().to_lowercase());
        let cells: Vec<_> = table.rows.iter().map(cell).collect();
        let is_missing = |cell: &str| matches!(cell, "" | "-" | "–" | "n/a");
        let values: Vec<Option<Value>> =
            table.rows.iter().map(|row| row.get(column).and_then(|cell| value(cell))).collect();
        let numbers: Vec<_> = values.iter().flatten().collect();
        let present = cells.iter().filter(|cell| !is_missing(cell)).count();
        let are_numbers = 2 * numbers.len() > present;
        if are_numbers && numbers.iter().any(|one| one.quantity != numbers[0].quantity) {
            return None;
        }
        let last: Vec<bool> = match are_numbers {
            true => values.iter().map(Option::is_none).collect(),
            false => cells.iter().map(|cell| is_missing(cell)).collect(),
        };
        let compare = |&a: &usize, &b: &usize| match (last[a], last[b], values[a], values[b]) {
            (false, false, Some(a), Some(b)) if are_numbers => a.size.total_cmp(&b.size),
            (false, false, ..) => cells[a].cmp(&cells[b]),
            (a, b, ..) => a.cmp(&b),
        };
        let mut order: Vec<usize> = (0..cells.len()).collect();
        order.sort_by(compare);
        let mut ranks = vec![0; cells.len()];
        for pair in order.windows(2) {
            let is_more = compare(&pair[0], &pair[1]) == Ordering::Less;
            ranks[pair[1]] = ranks[pair[0]] + usize::from(is_more);
        }
        ranks.iter().any(|&rank| rank > 0).then_some(Self { ranks, last, are_numbers })
    }
}

/// The style of a page with sortable tables of up to so many columns.
pub(super) fn rules(columns: usize) -> String {
    (0..columns).map(rules_of).collect()
}

/// What a column's buttons do: to the rows, to the label that the next click meets, to the mark beside the name.
fn rules_of(column: usize) -> String {
    let child = column + 1;
    let heading = format!("th:nth-child({child})");
    let [up, down] = ["up", "down"].map(|way| format!(".sort:has(.{way}-{column}:checked)"));
    let focus = format!(".sort:has(:is(.up-{column}, .down-{column}):focus-visible)");
    format!(
        "{up} tbody tr {{ order: var(--k{column}); }}\n\
         {down} tbody tr {{ order: var(--d{column}, calc(-1 * var(--k{column}))); }}\n\
         {up} {heading} {{ --mark: var(--mark-up); --faint: 1; }}\n\
         {down} {heading} {{ --mark: var(--mark-down); --faint: 1; }}\n\
         {up} {heading} .to-down, {down} {heading} .to-written {{ display: block; }}\n\
         {up} {heading} .to-up, {down} {heading} .to-up {{ display: none; }}\n\
         {focus} {heading} {{ outline: 2px solid var(--accent); outline-offset: -2px; }}\n"
    )
}
