//! Two people: what each may do, and that no order of giving and taking lets a definition be read without the key.

use serde_json::{Value, json};

use super::{GRANT, Plane, ROLE, SUBSCRIPTION, encrypted, pipeline, tenant, with};
use crate::arm::Client;
use crate::arm::factories::line;
use crate::world::World;

#[tokio::test]
async fn the_vaults_administrator_and_the_factorys_can_each_do_their_own_part_alone() {
    let mut config = with(&["safe"]);
    let group = format!("{SUBSCRIPTION}/resourceGroups/keyhaven");
    let administrators = json!([
        {"name": "factories", "roleAssignments": [{"role": "Data Factory Contributor", "scope": group}]},
        {"name": "vaults", "roleAssignments": [{"role": "Key Vault Administrator", "scope": "/subscriptions/6b9e7c1a-0000-4000-8000-0000000000ff"}]}
    ]);
    config["identities"].as_array_mut().unwrap().extend(administrators.as_array().unwrap().clone());
    let world = World::of(&config.to_string(), keyhaven::Storage::Memory).await;
    let plane = Plane::of(&world).await;
    let own = plane.factory().await;
    plane.grant(&own, ROLE).await;
    let body = encrypted("safe", json!({})).to_string();
    // Who, whether the vault answers them, whether the factory takes the key from them.
    for (who, in_vault, in_factory) in [("vaults", 200, 403), ("factories", 403, 200)] {
        let read = world.ask_as(who, "safe", "GET /keys/cmk", "").await;
        assert_eq!(read.status, in_vault, "{who}: {}", read.text);
        let client = Client::of(&world, who).await;
        assert_eq!(client.ask(&line("PUT F/acme"), &body).await.status, in_factory, "{who}");
        assert_eq!(client.ask(&line("GET F/acme/pipelines"), "").await.status, in_factory, "{who}");
        for request in ["POST /keys/cmk/unwrapkey", "POST /keys/cmk/wrapkey"] {
            let asked = world.ask_as(who, "safe", request, r#"{"alg": "RSA-OAEP-256", "value": "AAAA"}"#).await;
            assert_eq!(asked.status == 403, in_vault == 403, "{who}: {request}: {}", asked.text);
        }
    }
}

/// What happens to the key or to the access to it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Grant,
    Withdraw,
    Disable,
    Enable,
    Rotate,
    Write,
}

/// The factory as it must be.
struct Model {
    granted: bool,
    enabled: bool,
    written: String,
}

#[tokio::test]
async fn no_order_of_steps_loses_a_definition_or_shows_it_without_the_key() {
    let world = tenant(&["safe"]).await;
    let plane = Plane::of(&world).await;
    let own = plane.keyed().await;
    let mut model = Model { granted: true, enabled: true, written: "first".to_owned() };
    let mut state: u32 = 20_261_130;
    for number in 0..40 {
        // A linear congruential generator: the same steps in every run.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let step = match (state >> 16) % 8 {
            0 | 1 => Step::Grant,
            2 => Step::Withdraw,
            3 => Step::Disable,
            4 | 5 => Step::Enable,
            6 if number % 3 == 0 => Step::Rotate,
            _ => Step::Write,
        };
        run(&plane, &own, &mut model, step, number).await;
        let answer = plane.ask("GET F/acme/pipelines/p", &Value::Null).await;
        match model.granted && model.enabled {
            true => {
                assert_eq!(answer.json()["properties"], pipeline(&model.written)["properties"], "{number} {step:?}")
            }
            false => assert_eq!(answer.status, 403, "{number} {step:?}: {}", answer.text),
        }
    }
}

async fn run(plane: &Plane<'_>, own: &str, model: &mut Model, step: Step, number: usize) {
    match step {
        Step::Grant => plane.grant(own, ROLE).await,
        Step::Withdraw => {
            plane.world.admin(&format!("DELETE /admin/role-assignments/{GRANT}"), "").await;
        }
        Step::Disable => every_version(plane, false).await,
        Step::Enable => every_version(plane, true).await,
        Step::Rotate if model.enabled => {
            plane.vault("safe", "POST /keys/cmk/rotate", &Value::Null).await;
        }
        Step::Rotate => {}
        Step::Write => {
            let text = format!("write {number}");
            let answer = plane.ask("PUT F/acme/pipelines/p", &pipeline(&text)).await;
            assert_eq!(answer.status == 200, model.granted && model.enabled, "{}", answer.text);
            if answer.status == 200 {
                model.written = text;
            }
        }
    }
    match step {
        Step::Grant => model.granted = true,
        Step::Withdraw => model.granted = false,
        Step::Disable => model.enabled = false,
        Step::Enable => model.enabled = true,
        Step::Rotate | Step::Write => {}
    }
}

async fn every_version(plane: &Plane<'_>, enabled: bool) {
    let all = plane.world.ask_as("owner", "safe", "GET /keys/cmk/versions", "").await.json();
    for version in all["value"].as_array().unwrap() {
        let version = version["kid"].as_str().unwrap().rsplit('/').next().unwrap();
        plane.enable("safe", &format!("cmk/{version}"), enabled).await;
    }
}
