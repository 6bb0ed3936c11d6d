"""What pgbench is told to do, by name. `:skus` is how many SKUs there are."""

_DRAWN = r"""
\set key random(1, 9000000000000000000)
\set customer random(1, 1000000)
"""
# Three numbers in ascending order. Two are the same once in some thousand orders, which costs PostgreSQL a line less.
_THREE = _DRAWN + r"""\set one random(1, :skus)
\set two random(1, :skus)
\set three random(1, :skus)
\set low least(:one, :two, :three)
\set high greatest(:one, :two, :three)
\set middle :one + :two + :three - :low - :high
"""

SCRIPTS = {
    "orders": _THREE + """
SELECT place_order('key-' || :key::bigint, :customer::int, ARRAY[:low, :middle, :high]::int[]);
""",
    "flash": _DRAWN + """
SELECT place_order('key-' || :key::bigint, :customer::int, ARRAY[7]::int[]);
""",
    # The same steps, each a statement of its own, as an application sends them: 12 round trips.
    "statements": _THREE + r"""
BEGIN;
SELECT sku, price_minor FROM stock WHERE sku IN (:low, :middle, :high);
INSERT INTO orders (idempotency_key, customer, status, total_minor)
  VALUES ('key-' || :key::bigint, :customer, 'open', 2997) RETURNING id AS made \gset
INSERT INTO order_lines VALUES (:made, 1, :low, 1, 999);
INSERT INTO order_lines VALUES (:made, 2, :middle, 1, 999);
INSERT INTO order_lines VALUES (:made, 3, :high, 1, 999);
INSERT INTO payments (order_id, provider, status, amount_minor) VALUES (:made, 'manual', 'created', 2997);
INSERT INTO events (topic, body)
  VALUES ('orders', jsonb_build_object('type', 'order.placed', 'order', :made::bigint, 'total', 2997));
UPDATE stock SET available = available - 1 WHERE sku = :low AND available >= 1;
UPDATE stock SET available = available - 1 WHERE sku = :middle AND available >= 1;
UPDATE stock SET available = available - 1 WHERE sku = :high AND available >= 1;
COMMIT;
""",
}
