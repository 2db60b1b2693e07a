/**
 * The search path of our own statements: every name in them means the catalog's object. An empty path is not enough: the
 * server would look in the temporary schema first, where a view's own function could make a type called `text`.
 */
export const safePath = 'pg_catalog, pg_temp'

/** The session's setting that keeps the search path of our login while the path is `safePath`. */
export const rolePathSetting = 'viewkeeper.role_path'

/**
 * The first statement of every connection, and the next one after each `reset all`: keeps the search path of our login, on
 * which SQL written by others relies, and sets `safePath`. It has no operator, no type and no name without a schema, so
 * it executes nobody's code under any path. A start-up setting would do the same earlier, but the server would then tell
 * nobody what the path of the login is: the path may be set for the login, the database or the whole server.
 */
export const makeSafe =
  `select pg_catalog.set_config('${rolePathSetting}', pg_catalog.current_setting('search_path'), false), ` +
  `pg_catalog.set_config('search_path', '${safePath}', false)`
