-- The first format, as it was published; never changed.
CREATE TABLE openings (
    nonce   BLOB PRIMARY KEY CHECK (length(nonce) = 32),
    deal    BLOB,
    side    TEXT NOT NULL,
    address TEXT NOT NULL,
    state   BLOB NOT NULL
) STRICT;
CREATE INDEX openings_by_deal ON openings (deal);
CREATE TABLE deals (
    id        BLOB PRIMARY KEY CHECK (length(id) = 32),
    side      TEXT NOT NULL CHECK (side IN ('buyer', 'seller')),
    peer      TEXT NOT NULL,
    address   TEXT NOT NULL,
    terms     BLOB NOT NULL,
    agreement BLOB NOT NULL,
    state     TEXT NOT NULL,
    note      TEXT NOT NULL,
    opened    INTEGER NOT NULL,
    changed   INTEGER NOT NULL,
    channel   BLOB
) STRICT;
CREATE INDEX deals_by_state ON deals (state, opened);
CREATE TABLE journal (
    deal    BLOB NOT NULL REFERENCES deals (id),
    seq     INTEGER NOT NULL,
    record  BLOB NOT NULL,
    request BLOB NOT NULL,
    result  BLOB NOT NULL,
    PRIMARY KEY (deal, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE messages (
    deal   BLOB NOT NULL REFERENCES deals (id),
    sent   INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    digest BLOB NOT NULL,
    bytes  BLOB NOT NULL,
    wire   BLOB NOT NULL,
    PRIMARY KEY (deal, sent, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE evidence (
    number  INTEGER PRIMARY KEY,
    deal    BLOB REFERENCES deals (id),
    kind    TEXT NOT NULL,
    digest  BLOB NOT NULL UNIQUE,
    signer  TEXT NOT NULL,
    summary TEXT NOT NULL,
    stored  INTEGER NOT NULL,
    bytes   BLOB NOT NULL
) STRICT;
CREATE INDEX evidence_by_deal ON evidence (deal);
CREATE TABLE preferences (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE highest (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
