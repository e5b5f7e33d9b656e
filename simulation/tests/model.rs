#[test]
fn t() {
    let a: Vec<usize> = std::env::var("M").unwrap().split(',').map(|x| x.parse().unwrap()).collect();
    chatops_simulation::model::trial(&chatops_simulation::model::Real, a[0], a[1], a[2] > 0, a[3] > 0);
}
