//! So many classes for each collaborator.

use super::kind::ClassAssignment;
use super::parts::{Parts, by_class, even_parts};
use crate::data::order::shuffle_in_place;
use crate::text::counted;
use crate::{Error, Result};
use rand_chacha::ChaCha8Rng;

const FIELD: &str = "partition.classes_per_collaborator";

pub(super) fn pathological(
    labels: &[u8],
    collaborators: usize,
    (each, mode): (usize, ClassAssignment),
    rng: &mut ChaCha8Rng,
) -> Result<Parts> {
    let classes = by_class(labels, rng);
    if each == 0 || each > classes.len() {
        let problem = format!("nobody can hold {each} of the {} classes that occur", classes.len());
        return Err(Error::setting(FIELD, problem, format!("set it between 1 and {}", classes.len())));
    }
    let holders = match mode {
        ClassAssignment::Balanced => balanced(classes.len(), collaborators, each, rng)?,
        _ => assigned(classes.len(), collaborators, (each, mode), rng),
    };
    let mut parts = vec![Vec::new(); collaborators];
    for ((class, samples), holders) in classes.iter().zip(&holders).filter(|(_, holders)| !holders.is_empty())
    {
        if samples.len() < holders.len() {
            let (there, takers) = (counted(samples.len(), "sample"), counted(holders.len(), "collaborator"));
            let problem = format!("class {class} has {there} for the {takers} that would hold it");
            return Err(Error::setting(FIELD, problem, "set it lower, or take fewer collaborators"));
        }
        for (&holder, share) in holders.iter().zip(even_parts(samples, holders.len())) {
            parts[holder].extend(share);
        }
    }
    Ok(parts)
}

/// The holders of each class. Each collaborator in turn takes the classes with the fewest holders so far, ties broken
/// at random: the numbers of holders differ by 1 at most, so that no class is left over.
fn balanced(classes: usize, collaborators: usize, each: usize, rng: &mut ChaCha8Rng) -> Result<Parts> {
    if collaborators.saturating_mul(each) < classes {
        let holders = counted(collaborators, "collaborator");
        let problem = format!("{holders} with {each} each leave some of the {classes} classes to nobody");
        let mend = format!("set it to {} or more", classes.div_ceil(collaborators));
        return Err(Error::setting(FIELD, problem, mend));
    }
    let mut holders = vec![Vec::new(); classes];
    let mut turns: Vec<usize> = (0..collaborators).collect();
    shuffle_in_place(&mut turns, rng);
    for collaborator in turns {
        let mut choice: Vec<usize> = (0..classes).collect();
        shuffle_in_place(&mut choice, rng);
        choice.sort_by_key(|&class| holders[class].len());
        choice[..each].iter().for_each(|&class| holders[class].push(collaborator));
    }
    Ok(holders)
}

/// The holders of each class where some classes may have none.
fn assigned(
    classes: usize,
    collaborators: usize,
    (each, mode): (usize, ClassAssignment),
    rng: &mut ChaCha8Rng,
) -> Parts {
    let mut holders = vec![Vec::new(); classes];
    for collaborator in 0..collaborators {
        let mut choice: Vec<usize> = (0..classes).map(|place| (collaborator + place) % classes).collect();
        match mode {
            ClassAssignment::Deterministic => {}
            ClassAssignment::FirstDeterministic => shuffle_in_place(&mut choice[1..], rng),
            ClassAssignment::Random | ClassAssignment::Balanced => shuffle_in_place(&mut choice, rng),
        }
        choice[..each].iter().for_each(|&class| holders[class].push(collaborator));
    }
    holders
}
