/**
 * The search path of our own statements: every name in them means the catalog's object. An empty path is not enough: the
 * server would look in the temporary schema first, where a view's own function could make a type called `text`.
 */
export const safePath = 'pg_catalog, pg_temp'

/** The session's setting that keeps the search path of our login while the path is `safePath`. */
export const rolePathSetting = 'viewkeeper.role_path'

/** The schemas of a path on which the server reads its own text, without those that are on every such path. */
export const operatorsPath = (path: string): string => path.replace(/^pg_catalog, (?:(.*), )?pg_temp$/s, '$1')
