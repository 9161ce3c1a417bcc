CREATE TABLE products (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  price_cents INTEGER NOT NULL
);
CREATE TABLE carts (
  cart TEXT NOT NULL,
  product INTEGER NOT NULL REFERENCES products (id),
  quantity INTEGER NOT NULL,
  PRIMARY KEY (cart, product)
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  total_cents INTEGER NOT NULL
);
INSERT INTO products (name, price_cents) VALUES
  ('Teapot', 2900), ('Cup', 750), ('Assam, 250 g', 1190);
