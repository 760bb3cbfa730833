//! Numbers and names as messages show them.

/// A whole number with thousands separated: 47,040,000.
pub(crate) fn grouped(number: impl TryInto<u64>) -> String {
    // Only a negative number or one beyond 64 bits cannot be converted, and nothing here counts that.
    thousands(&number.try_into().unwrap_or(u64::MAX).to_string())
}

/// Commas between groups of three digits.
pub(crate) fn thousands(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 image`, `2 images`, `6,000 images`.
pub(crate) fn counted(number: impl TryInto<u64>, noun: &str) -> String {
    let number = grouped(number);
    format!("{number} {noun}{}", if number == "1" { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let shown: Vec<_> = [0u64, 999, 1000, 12_345, 47_040_000].into_iter().map(grouped).collect();
        assert_eq!(shown, ["0", "999", "1,000", "12,345", "47,040,000"]);
        assert_eq!(counted(1u64, "image"), "1 image");
        assert_eq!(counted(6000u64, "image"), "6,000 images");
    }
}
