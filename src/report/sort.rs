//! Tables of the page that are sorted by a click on a column's name, without script.
//!
//! A page without script has no other state than what its inputs hold. So a table that can be sorted has radio
//! buttons in the headings of its columns, two in each and one for the order in which the rows are written, so that
//! keys which go to them bring the column into view; empty labels that cover the column's name check them. Each row
//! carries its rank in each column as a custom property, and the rules in [`rules`] make the rank of the checked
//! column the row's `order`. Once a column is checked the table is laid out as a grid, in which `order` counts; until
//! then it is a table as any other.

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

    /// What a column's heading holds beside its name: the buttons for keys and for those who hear the page, and labels
    /// that cover the name and lead from one order to the next with each click.
    pub(super) fn controls(&self, table: &Table, column: usize) -> String {
        let Some(Some(ranks)) = self.columns.get(column) else { return String::new() };
        let name = &self.name;
        let button = |id: &str, class: &str, rest: &str, says: &str| {
            format!(
                "<input type=\"radio\" name=\"sort-{name}\" id=\"sort-{name}{id}\" class=\"{class}\" \
                 autocomplete=\"off\"{rest} aria-label=\"{says}\">"
            )
        };
        let label =
            |class: &str, id: &str| format!("<label class=\"{class}\" for=\"sort-{name}{id}\"></label>");
        let says = if ranks.are_numbers {
            ["smallest first", "largest first"]
        } else {
            ["from A to Z", "from Z to A"]
        };
        let says = says.map(|way| format!("Sort by {}, {way}", escape(&table.columns[column])));
        let [up, down] = ["up", "down"].map(|way| format!("{way}-{column}"));
        let is_first = self.columns[..column].iter().all(Option::is_none);
        [
            if is_first { button("", "written", " checked", "Rows as written") } else { String::new() },
            button(&format!("-{up}"), &up, "", &says[0]),
            button(&format!("-{down}"), &down, "", &says[1]),
            label("to-up", &format!("-{up}")),
            label("to-down", &format!("-{down}")),
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
        let last: Vec<bool> = if are_numbers {
            values.iter().map(Option::is_none).collect()
        } else {
            cells.iter().map(|cell| is_missing(cell)).collect()
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
