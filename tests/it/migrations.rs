//! Migrations are expand and contract: the version before must be able to run on the new schema, because both run together
//! during a rollout, and the old one takes over again after a rollback (docs/operations.md, Migrations and upgrades).

use std::fs;
use std::path::Path;

use rstest::rstest;

/// The last migration from before the rule.
const LAST_FREE: u32 = 40;
/// A migration that takes something away says so in a line that begins with this, and since which version nothing uses it.
const CONTRACT: &str = "-- contract: ";

/// What a version that does not know the change may trip over, in a file that is not marked.
fn takes_away(sql: &str) -> Vec<String> {
    if sql.lines().any(|line| line.strip_prefix(CONTRACT).is_some_and(|why| !why.trim().is_empty())) {
        return Vec::new();
    }
    let code: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let code = code.join("\n").to_uppercase();
    let statements = code.split(';').map(|statement| statement.split_whitespace().collect::<Vec<_>>());
    statements.flat_map(|words| reasons(&words)).collect()
}

/// What is wrong with a statement, which is split into words.
fn reasons(words: &[&str]) -> Vec<String> {
    let statement = words.join(" ");
    let mut found = Vec::new();
    // What it adds to a table may come in several clauses.
    let clauses =
        statement.split(" ADD COLUMN ").skip(1).map(|clause| clause.split(", ADD ").next().unwrap_or_default());
    found.extend(
        clauses
            .filter(|clause| {
                clause.contains("NOT NULL") && !clause.contains("DEFAULT") && !clause.contains("GENERATED")
            })
            .map(|clause| format!("a column that older versions do not fill: ADD COLUMN {clause}")),
    );
    let without = statement.replace("DROP NOT NULL", "").replace("DROP CONSTRAINT IF EXISTS", "DROP CONSTRAINT");
    for word in [" RENAME ", " SET NOT NULL", " TYPE "] {
        if without.starts_with("ALTER TABLE") && without.contains(word) {
            found.push(format!("{}: {statement}", word.trim()));
        }
    }
    if without.split(' ').any(|word| matches!(word, "DROP" | "TRUNCATE")) {
        found.push(format!("DROP: {statement}"));
    }
    found
}

#[test]
fn a_migration_takes_nothing_away_from_the_version_before() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut wrong = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap();
        let name = file.file_name().into_string().unwrap();
        let number: u32 = name.split('_').next().unwrap().parse().unwrap();
        if number > LAST_FREE {
            let sql = fs::read_to_string(file.path()).unwrap();
            wrong.extend(takes_away(&sql).into_iter().map(|reason| format!("{name}: {reason}")));
        }
    }
    assert!(wrong.is_empty(), "{}\nA contract step needs a line `{CONTRACT}why`", wrong.join("\n"));
}

#[rstest]
#[case::a_new_table("CREATE TABLE a (id bigint PRIMARY KEY, type text NOT NULL);", 0)]
#[case::a_column("ALTER TABLE a ADD COLUMN b text, ADD COLUMN c int NOT NULL DEFAULT 0;", 0)]
#[case::less_strict("ALTER TABLE a ALTER COLUMN b DROP NOT NULL;", 0)]
#[case::in_a_comment("-- DROP TABLE a;\nCREATE INDEX b ON a (c); -- RENAME", 0)]
#[case::a_column_without_default("ALTER TABLE a ADD COLUMN b text, ADD COLUMN c int\n NOT NULL;", 1)]
#[case::a_dropped_column("alter table a drop column b;", 1)]
#[case::a_dropped_index("DROP INDEX b;", 1)]
#[case::another_name("ALTER TABLE a RENAME COLUMN b TO c;", 1)]
#[case::another_type("ALTER TABLE a ALTER COLUMN b TYPE bigint;", 1)]
#[case::stricter("ALTER TABLE a ALTER COLUMN b SET NOT NULL;", 1)]
#[case::two("ALTER TABLE a DROP COLUMN b; DROP TABLE c;", 2)]
#[case::marked("-- contract: nothing has read it since 0.4\nALTER TABLE a DROP COLUMN b;", 0)]
#[case::marked_without_a_reason("-- contract: \nALTER TABLE a DROP COLUMN b;", 1)]
fn what_takes_something_away_is_found(#[case] sql: &str, #[case] count: usize) {
    let found = takes_away(sql);
    assert_eq!(found.len(), count, "{found:?}");
}
