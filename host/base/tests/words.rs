//! Numbers before nouns, as a person says them.

use semper_base::text::counted;

#[test]
fn one_of_something_is_not_called_as_many_are() {
    let days = |number: u16| counted(number, "day", "days");
    assert_eq!([days(0), days(1), days(2), days(11)], ["0 days", "1 day", "2 days", "11 days"]);
    assert_eq!(counted(1_usize, "entry", "entries"), "1 entry");
}
