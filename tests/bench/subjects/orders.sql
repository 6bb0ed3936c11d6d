-- An order as one function: the cheapest way to do it with PostgreSQL, in one round trip. It looks prices up, remembers
-- the idempotency key, writes order, lines, payment and event, and takes the stock. SKUs come sorted, so that nobody
-- deadlocks, and stock is taken last, so that its rows are locked as shortly as can be.
CREATE TABLE stock (
  sku int PRIMARY KEY,
  available bigint NOT NULL CHECK (available >= 0),
  price_minor bigint NOT NULL
) WITH (fillfactor = 50);  -- room for the next version of a row on its own page

CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  idempotency_key text NOT NULL UNIQUE,
  customer int NOT NULL,
  status text NOT NULL,
  total_minor bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE order_lines (
  order_id bigint, line int, sku int NOT NULL, quantity int NOT NULL, price_minor bigint NOT NULL,
  PRIMARY KEY (order_id, line)
);

CREATE TABLE payments (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id bigint NOT NULL UNIQUE,
  provider text NOT NULL,
  status text NOT NULL,
  amount_minor bigint NOT NULL
);

CREATE TABLE events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic text NOT NULL,
  body jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION place_order(wanted_key text, wanted_customer int, skus int[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  made bigint;
  total bigint;
  wanted int;
BEGIN
  SELECT sum(price_minor) INTO total FROM stock WHERE sku = ANY (skus);
  INSERT INTO orders (idempotency_key, customer, status, total_minor)
    VALUES (wanted_key, wanted_customer, 'open', total)
    ON CONFLICT (idempotency_key) DO NOTHING RETURNING id INTO made;
  IF made IS NULL THEN
    RETURN (SELECT id FROM orders WHERE idempotency_key = wanted_key);
  END IF;
  INSERT INTO order_lines
    SELECT made, array_position(skus, sku), sku, 1, price_minor FROM stock WHERE sku = ANY (skus);
  INSERT INTO payments (order_id, provider, status, amount_minor) VALUES (made, 'manual', 'created', total);
  INSERT INTO events (topic, body)
    VALUES ('orders', jsonb_build_object('type', 'order.placed', 'order', made, 'total', total));
  FOREACH wanted IN ARRAY skus LOOP
    UPDATE stock SET available = available - 1 WHERE sku = wanted AND available >= 1;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'out of stock: %', wanted;
    END IF;
  END LOOP;
  RETURN made;
END $$;

INSERT INTO stock SELECT sku, 1000000000, 999 FROM generate_series(1, :skus) AS sku;
