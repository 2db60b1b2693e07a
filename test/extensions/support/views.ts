import { major } from '../../support/servers/test-server.ts'

/** A view that people make with the types, functions and operator classes of an extension. */
export interface ExtensionView {
  /** What its query and its indexes need. */
  extensions: string[]
  query: string
  /** What follows `create index on <view>`. The first is unique, for a concurrent refresh. */
  indexes: string[]
  /** A condition that one of the other indexes answers. */
  search: string
}

/** The extensions that Debian has no package of, by major version. As soon as one is there, a test asks for its line to go. */
export const unpackaged: Record<string, number[]> = {
  postgis: [19],
  postgis_raster: [19],
  hll: [19],
  ip4r: [19],
  vector: [15, 19],
}

/** Extensions of the server's own packages; ltree and what is used with it lie in a schema apart, as on some managed servers. */
const schemas: Record<string, string> = { ltree: 'tools', intarray: 'tools', hstore: 'tools' }

const all: Record<string, ExtensionView> = {
  points: {
    extensions: ['postgis'],
    query: `select id, at, st_transform(at, 3857)::geometry(Point, 3857) as flat, st_buffer(at::geography, 100) as around, st_asgeojson(at) as json
              from app.places`,
    indexes: [
      'unique (id)',
      'using gist (at)',
      'using gist (flat gist_geometry_ops_nd) with (fillfactor = 80, buffering = on)',
      'using spgist (at)',
      'using brin (at brin_geometry_inclusion_ops_3d) with (pages_per_range = 4, autosummarize = on)',
      'using gist (around) where id > 3',
      'using gist (st_centroid(flat))',
    ],
    search: 'at && st_makeenvelope(8, 47, 8.5, 48, 4326)',
  },
  areas: {
    extensions: ['postgis'],
    query: `select kind, st_union(at) as together, st_extent(at) as box, st_convexhull(st_collect(at))::geometry as hull,
                   array_agg(at order by at) as each, count(distinct at) as n from app.places group by kind`,
    indexes: ['unique (kind)', 'using gist (hull) include (n)', 'using btree (together)'],
    search: 'hull && st_makeenvelope(8, 47, 8.5, 48, 4326)',
  },
  clusters: {
    extensions: ['postgis'],
    query: `select id, st_clusterdbscan(at, 0.5, 2) over (order by id) as cluster, at <-> 'SRID=4326;POINT(8 47)'::geometry as distance
              from app.places where st_dwithin(at, 'SRID=4326;POINT(8 47)'::geometry, 90)`,
    indexes: ['unique (id)', 'using brin (distance)'],
    search: 'distance < 1',
  },
  rasters: {
    extensions: ['postgis', 'postgis_raster'],
    query: `select id, st_addband(st_makeemptyraster(4, 4, id, id, 1, -1, 0, 0, 4326), '8BUI'::text, id, 0) as tile from app.places`,
    indexes: ['unique (id)', 'using gist (st_convexhull(tile))'],
    search: 'st_convexhull(tile) && st_makeenvelope(0, 0, 9, 9, 4326)',
  },
  visitors: {
    extensions: ['hll'],
    query: `select kind, hll_add_agg(hll_hash_integer(id)) as visitors, #hll_add_agg(hll_hash_integer(id)) as about from app.places group by kind`,
    indexes: ['unique (kind)', 'using btree (about desc nulls last)'],
    search: 'about > 2',
  },
  networks: {
    extensions: ['ip4r'],
    query: `select id, net, ipaddress(lower(net)) as first, net >>= '10.0.3.7'::ipaddress as contains from app.blocks`,
    indexes: [
      'unique (net)',
      'using gist (net gist_iprange_ops) with (fillfactor = 70)',
      'using hash (first)',
    ],
    search: "net >>= '10.0.3.7'",
  },
  neighbours: {
    extensions: ['vector'],
    query: `select id, meaning, meaning <-> '[1,2,3]' as distance, (meaning + '[1,1,1]')::vector(3) as moved from app.texts`,
    indexes: [
      'unique (id)',
      'using hnsw (meaning vector_l2_ops) with (m = 8, ef_construction = 32)',
      'using ivfflat (moved vector_cosine_ops) with (lists = 2)',
    ],
    search: 'distance < 30',
  },
  trees: {
    extensions: ['ltree', 'hstore'],
    query: `select id, path, tools.nlevel(path) as level, tools.subpath(path, 0, 1) as root, tags operator(tools.->) 'a' as a, tags
              from app.texts where path operator(tools.<@) 'top'::tools.ltree`,
    indexes: [
      'unique (id)',
      'using gist (path tools.gist_ltree_ops (siglen = 100))',
      'using gist (tags tools.gist_hstore_ops (siglen = 32))',
      'using gin (tags) with (fastupdate = off)',
      'using btree (path tools.ltree_ops desc)',
    ],
    search: "path operator(tools.~) 'top.*{1,3}'::tools.lquery",
  },
  numbers: {
    extensions: ['intarray', 'cube', 'seg'],
    query: `select id, tools.sort(numbers) as sorted, numbers operator(tools.&) '{1,2,3}' as common, cube(id, id + 1) as span, (id || ' .. ' || id + 2)::seg as part
              from app.texts`,
    indexes: [
      'unique (id)',
      'using gist (sorted tools.gist__intbig_ops (siglen = 64), span)',
      'using gin (common tools.gin__int_ops)',
      'using gist (part)',
    ],
    search: "sorted operator(tools.@@) '1&2'::tools.query_int",
  },
  names: {
    extensions: ['citext', 'pg_trgm', 'unaccent', 'pgcrypto'],
    query: `select name, count(*) as n, max(similarity(name::text, 'Zürich')) as alike, unaccent('public.unaccent'::regdictionary, min(name::text)) as plain,
                   encode(digest(min(name::text), 'sha256'), 'hex') as hash from app.texts group by name`,
    indexes: [
      'unique (name)',
      'using gin ((name::text) gin_trgm_ops)',
      'using gist (plain gist_trgm_ops (siglen = 32))',
      'using btree (hash collate "C" text_pattern_ops)',
    ],
    search: "name = 'ZÜRICH' or plain like '%ric%'",
  },
  mixtures: {
    extensions: ['bloom', 'btree_gin', 'btree_gist', 'isn'],
    query: `select id, id % 7 as a, id % 5 as b, id % 3 as c, ean13(lpad((978000000000 + id)::text, 12, '0') || '0!') as code, int4range(id, id + 3) as span from app.texts`,
    indexes: [
      'unique (id)',
      'using bloom (a, b, c) with (length = 80, col1 = 2, col2 = 2, col3 = 4)',
      'using gin (a, b)',
      'using gist (a, span)',
      'using hash (code)',
    ],
    search: 'a = 3 and b = 2 and c = 1',
  },
  pivots: {
    extensions: ['tablefunc'],
    query: `select * from crosstab('select kind, id % 3, count(*) from app.places group by 1, 2 order by 1, 2', 'values (0), (1), (2)')
              as (kind text, none bigint, one bigint, two bigint)`,
    indexes: ['unique (kind)', 'using brin (one)'],
    search: 'one > 1',
  },
}

/** The views whose extensions this server can have. */
export const views: Record<string, ExtensionView> = Object.fromEntries(
  Object.entries(all).filter(([, { extensions }]) =>
    extensions.every((each) => !unpackaged[each]?.includes(major)),
  ),
)

const extensions = [...new Set(Object.values(views).flatMap((view) => view.extensions))]
const has = (extension: string): boolean => extensions.includes(extension)

/** The extensions, as the superuser makes them. */
export const makeExtensions: string = `
  create schema tools; grant usage on schema tools to public;
  ${extensions.map((each) => `create extension ${each} schema ${schemas[each] ?? 'public'}`).join(';\n  ')}`

/** The tables below the views, as their owner makes them. */
export const makeTables: string = `
  create table app.places (id integer primary key, kind text not null${has('postgis') ? ', at geometry(Point, 4326) not null' : ''});
  insert into app.places select i, 'kind ' || i % 4${has('postgis') ? ', st_setsrid(st_makepoint(8 + i / 20.0, 47 + i / 25.0), 4326)' : ''} from generate_series(1, 40) i;
  create table app.texts (id integer primary key, name citext, numbers integer[], path tools.ltree, tags tools.hstore${has('vector') ? ', meaning vector(3)' : ''});
  insert into app.texts select i, case i % 3 when 0 then 'Zürich' when 1 then 'ZÜRICH' else 'Genève ' || i end::citext, array[i % 5, i % 3, i],
      ('top.n' || i % 4 || '.n' || i)::tools.ltree, tools.hstore('a', i::text)${has('vector') ? ", ('[' || i || ',' || i % 3 || ',1]')::vector" : ''}
    from generate_series(1, 40) i;
  ${has('ip4r') ? "create table app.blocks (id integer primary key, net iprange); insert into app.blocks select i, ('10.0.' || i || '.0/24')::iprange from generate_series(1, 40) i;" : ''}`

/** Changes what each view shows. */
export const changeTables: string = `
  delete from app.places where id = (select min(id) from app.places); delete from app.texts where id = (select min(id) from app.texts);
  update app.places set kind = kind || '!' where id % 5 = 0; update app.texts set name = name || '!', numbers = numbers || 2 where id % 5 = 0;
  ${has('ip4r') ? 'delete from app.blocks where id = (select min(id) from app.blocks);' : ''}`
