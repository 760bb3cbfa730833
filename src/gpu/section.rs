//! Sections of WGSL that stand in several files with the same text.
//!
//! WGSL has no includes, and each file is valid as it stands. So what several of them need is marked: the canonical
//! copy by `// begin shared: NAME` and `// end shared: NAME`, the others by `// begin shared: NAME, from FILE.wgsl`.
//! A test holds all copies of a name equal.

use std::ops::Range;

/// One marked section of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedSection<'a> {
    /// Its name, the same in every file.
    pub name: &'a str,
    /// The file of the canonical copy, as `dense.wgsl`; `None` for that copy itself.
    pub from: Option<&'a str>,
    /// The text between the marks.
    pub text: &'a str,
    /// The bytes of the section in the file, with its marks.
    pub place: Range<usize>,
}

/// The sections of a file, in their order. The error says which mark stands alone.
pub fn shared_sections(source: &str) -> Result<Vec<SharedSection<'_>>, String> {
    const BEGIN: &str = "// begin shared: ";
    const END: &str = "// end shared: ";
    let mut sections = Vec::new();
    let mut open: Option<(&str, Option<&str>, Range<usize>)> = None;
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let end = at + line.len();
        if let Some(head) = line.strip_prefix(BEGIN) {
            let head = head.trim_end();
            let (name, from) = match head.split_once(", from ") {
                Some((name, from)) => (name, Some(from)),
                None => (head, None),
            };
            if let Some((before, ..)) = open.replace((name, from, at..end)) {
                return Err(format!("section {before:?} does not end before {name:?} begins"));
            }
        } else if let Some(name) = line.strip_prefix(END) {
            let name = name.trim_end();
            let Some((_, from, mark)) = open.take().filter(|(begun, ..)| *begun == name) else {
                return Err(format!("section {name:?} ends without having begun"));
            };
            sections.push(SharedSection { name, from, text: &source[mark.end..at], place: mark.start..end });
        }
        at = end;
    }
    match open {
        Some((name, ..)) => Err(format!("section {name:?} does not end")),
        None => Ok(sections),
    }
}
