//! Who holds how many images of which class: a sentence, a table and bars.

use super::words::counted;
use crate::data::{LabelCounts, Spread};
use crate::report::{Plot, Series, Style, Table, format};

/// Collaborators that get bars of their own.
const SHOWN: usize = 40;

/// Classes that are told apart.
const CLASSES: usize = 12;

/// What is known of the images of some collaborators.
#[derive(Clone, Debug)]
pub struct Population<'a> {
    /// The samples of each class that each collaborator holds.
    pub counts: &'a LabelCounts,
    /// The names of the groups that the data name, where each collaborator is one.
    pub groups: &'a [String],
}

/// The classes in the order of the columns: each by itself, or the most frequent and all others as the last.
struct Classes {
    /// Those that are told apart, in their order.
    own: Vec<usize>,
    /// The others.
    others: Vec<usize>,
}

impl Classes {
    fn of(counts: &LabelCounts) -> Self {
        let classes = counts.0.first().map_or(0, Vec::len);
        if classes <= CLASSES {
            return Self { own: (0..classes).collect(), others: Vec::new() };
        }
        let total = |class: &usize| counts.0.iter().map(|counts| counts[*class]).sum::<usize>();
        let mut all: Vec<usize> = (0..classes).collect();
        all.sort_by_key(|class| std::cmp::Reverse(total(class)));
        let others = all.split_off(CLASSES - 1);
        all.sort_unstable();
        Self { own: all, others }
    }

    fn names(&self, prefix: &str) -> Vec<String> {
        let own = self.own.iter().map(|class| format!("{prefix}{class}"));
        own.chain((!self.others.is_empty()).then(|| "all others".to_string())).collect()
    }

    /// What a collaborator holds of each.
    fn held(&self, counts: &[usize]) -> Vec<usize> {
        let own = self.own.iter().map(|&class| counts[class]);
        let others = self.others.iter().map(|&class| counts[class]).sum();
        own.chain((!self.others.is_empty()).then_some(others)).collect()
    }
}

impl Population<'_> {
    /// Who shares how many of so many training images, how large the shares are, and how many classes they have.
    pub fn answer(&self, images: usize) -> String {
        let dealt: usize = self.counts.sizes().sum();
        let spread = |of: Spread| {
            if of.least == of.most {
                return format!("{} each", format::count(of.most as u64));
            }
            let (least, most) = (format::count(of.least as u64), format::count(of.most as u64));
            format!("{least} to {most} each, {} in the median", format::number(of.median, 6))
        };
        let (takers, is_one) = (self.counts.0.len(), self.counts.0.len() == 1);
        let all = counted(images as u64, "training image");
        let of = if dealt == images { all } else { format!("{} of {all}", format::count(dealt as u64)) };
        let (sizes, held) = (Spread::of(self.counts.sizes()), Spread::of(self.counts.classes_held()));
        let classes = self.counts.0.first().map_or(0, Vec::len);
        let empty = self.counts.sizes().filter(|size| *size == 0).count();
        let empty = match empty {
            0 => String::new(),
            1 => " 1 of them has none.".into(),
            _ => format!(" {} of them have none.", format::count(empty as u64)),
        };
        format!(
            "{} {} {of}: {}. Of {} they hold {}.{empty}",
            counted(takers as u64, "collaborator"),
            if is_one { "has" } else { "share" },
            spread(sizes),
            if classes == 1 {
                "1 class".into()
            } else {
                format!("{} classes", format::count(classes as u64))
            },
            spread(held),
        )
    }

    /// A row for each of the first `most` collaborators.
    pub fn table(&self, most: usize) -> Table {
        let classes = Classes::of(self.counts);
        let is_grouped = !self.groups.is_empty();
        let mut columns = vec!["collaborator".to_string()];
        columns.extend(is_grouped.then(|| "group".into()));
        columns.extend(["images".into(), "classes".into()]);
        columns.extend(classes.names(""));
        let mut table = Table {
            columns,
            ..Table::new("labels", "Training images: all, and of each class from 0 on", &[])
        };
        let held = self.counts.sizes().zip(self.counts.classes_held());
        for (who, (counts, (size, held))) in self.counts.0.iter().zip(held).enumerate().take(most) {
            let count = |count: usize| format::count(count as u64);
            let mut row = vec![who.to_string()];
            row.extend(is_grouped.then(|| self.groups.get(who).cloned().unwrap_or_default()));
            row.extend([count(size), count(held)]);
            row.extend(classes.held(counts).into_iter().map(count));
            table.push(row);
        }
        table
    }

    /// A bar for each collaborator, or for some of them, from the largest to the smallest, where there are many.
    pub fn bars(&self) -> Plot {
        let classes = Classes::of(self.counts);
        let sizes: Vec<usize> = self.counts.sizes().collect();
        let mut shown: Vec<usize> = (0..sizes.len()).collect();
        let mut caption = "The training images that each collaborator holds, by their class.".to_string();
        if sizes.len() > SHOWN {
            shown.sort_by_key(|&who| std::cmp::Reverse(sizes[who]));
            shown = (0..SHOWN).map(|place| shown[place * (sizes.len() - 1) / (SHOWN - 1)]).collect();
            let all = counted(sizes.len() as u64, "collaborator");
            caption =
                format!("The training images that {SHOWN} of {all} hold, by their class: evenly spaced");
            caption += if sizes.iter().min() == sizes.iter().max() {
                " by their number."
            } else {
                " from the one with the most images to the one with the fewest."
            };
        }
        if !classes.others.is_empty() {
            caption += &format!(" Of the classes, the {} most frequent are told apart.", CLASSES - 1);
        }
        let name = |&who: &usize| match self.groups.get(who) {
            Some(group) => format!("{who} ({group})"),
            None => who.to_string(),
        };
        let names = shown.iter().map(name).collect();
        let mut plot = Plot::new("labels", "What each collaborator holds", "Collaborator", "Training images")
            .with_bars(names)
            .with_caption(caption);
        let held: Vec<Vec<usize>> = shown.iter().map(|&who| classes.held(&self.counts.0[who])).collect();
        for (part, name) in classes.names("class ").into_iter().enumerate() {
            let points = held.iter().enumerate().map(|(bar, held)| (bar as f64, held[part] as f64));
            plot = plot.with(Series::new(name, Style::Solid, points.collect()));
        }
        plot
    }
}
