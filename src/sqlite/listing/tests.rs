//! That every list is a walk along one index: no scan, no sort, no row read that is not shown.

use super::*;

fn connection() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    super::super::schema::prepare(std::path::Path::new("memory"), &mut connection).unwrap();
    connection
}

fn plan(connection: &Connection, index: Index) -> String {
    let sql = format!("EXPLAIN QUERY PLAN {}", index.walk());
    let mut query = connection.prepare(&sql).unwrap();
    let steps = query.query_map(params!["", 0, "", 0], |row| row.get::<_, String>("detail"));
    let steps: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
    steps.join("; ")
}

const ALL: [Index; 8] = [
    Index::Asked,
    Index::User,
    Index::UserName,
    Index::Branch,
    Index::Job,
    Index::Project,
    Index::State,
    Index::AwaitsRetry,
];

#[test]
fn plans() {
    let c = connection();
    for i in ALL {
        println!("{}", plan(&c, i));
    }
}
