import json
async def test_smoke(api, hand, client):
    r = await api.post("/api/v1/jobs", {"type":"send_letter","data":{"to":"a","subject":"b"}})
    print(r.status, dict(r.headers), json.dumps(r.body, indent=1))
    d = await hand.take(); await hand.complete(d, "x")
    for p in ["/", "/livez","/readyz","/api/v1/jobs","/jobs","/jobs/"+r.body["id"],"/api/v1/queues","/api/v1/queues/letters","/api/v1/types","/api/v1/types/add-up","/api/v1/workers","/nix","/api/v1/jobs/x","/api/v1/jobs?limit=0&foo=1", f"/api/v1/jobs/{r.body['id']}/result"]:
        q = await api.get(p); print(p, q.status, q.text.decode()[:1500], q.headers.get("Link"))
    for b in [b"", b"{", {"type":"send-letter","data":{"subjekt":1}}, {"type":"sendletter"}, {"type":"add_up","data":{"a":1,"b":2},"priority":11,"foo":1, "retries":1,"max_attempts":2}]:
        q = await api.post("/api/v1/jobs", b); print(q.status, q.text.decode())
    q = await api.post("/api/v1/jobs/batch", {"jobs":[{"type":"anything"},{"type":"add-up","data":{"a":"x","b":2}},3,{"type":"nix"}]}); print(q.status, q.text.decode())
    q = await api.post("/api/v1/jobs/batch", {"jobs":[{"type":"anything"},{"type":"add-up","data":{"a":1,"b":2}}]}); print(q.status, q.text.decode())
