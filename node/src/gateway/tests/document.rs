//! The OpenAPI document and the routes are the same set, and the document holds together.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::gateway::testing::Bench;

async fn document(bench: &Bench) -> Value {
    bench.call("GET /openapi.json", &[], "").await.expect(200)
}

/// A path with something in place of its parameters.
fn concrete(template: &str) -> String {
    template
        .split('/')
        .map(|part| if part.starts_with('{') { "none" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test]
async fn every_documented_operation_has_a_route_and_no_other_method_has() {
    let bench = Bench::new();
    let document = document(&bench).await;
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 15, "only {} paths", paths.len());
    for (template, item) in paths {
        let documented: BTreeSet<String> =
            item.as_object().unwrap().keys().map(|name| name.to_uppercase()).collect();
        // A method that no route takes is told in Allow: that is the router's own account of its routes.
        let allow = bench.admin(&format!("BREW {}", concrete(template)), &[], "").await;
        assert_eq!(allow.status, 405, "{template}");
        let routed = allow.header("allow").split(',').filter(|method| *method != "HEAD").map(str::to_owned);
        assert_eq!(routed.collect::<BTreeSet<_>>(), documented, "{template}");
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_ids_are_unique() {
    let bench = Bench::new();
    let document = document(&bench).await;
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or(&reference);
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let mut ids = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(ids.insert(id.clone()), "{id} is there twice");
            assert!(operation["responses"].as_object().unwrap().len() > 5, "{id}");
        }
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "$ref" => references.push(text.clone()),
                    other => collect(other, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[tokio::test]
async fn no_route_answers_what_it_does_not_document() {
    let bench = Bench::new();
    let document = document(&bench).await;
    let (_, poor) = bench.client("cluster:read");
    let poor = format!("authorization: Bearer {poor}");
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let line = format!("{} {}", method.to_uppercase(), concrete(template));
            let documented = operation["responses"].as_object().unwrap();
            for (fields, body) in [
                (vec![], ""),
                (vec![poor.as_str()], "{}"),
                (vec!["authorization: Bearer x"], ""),
                (vec!["content-type: text/nonsense"], "x"),
                (vec!["if-match: \"r1\"", "idempotency-key: k"], "{}"),
                (vec!["if-match: nonsense", "idempotency-key: ä"], "[]"),
                (vec!["consistency: nonsense"], "{"),
            ] {
                for with_key in [false, true] {
                    let answer = if with_key && !fields.iter().any(|field| field.starts_with("authorization"))
                    {
                        bench.admin(&line, &fields, body).await
                    } else {
                        bench.call(&line, &fields, body).await
                    };
                    let status = answer.status.as_u16();
                    assert!(
                        documented.contains_key(&status.to_string()),
                        "{line} {fields:?} {body}: {status} {}",
                        answer.text
                    );
                    assert!(status < 500 || status == 503, "{line}: {}", answer.text);
                }
            }
        }
    }
}
