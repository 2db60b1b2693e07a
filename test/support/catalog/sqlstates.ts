/** One SQLSTATE of each class in PostgreSQL's appendix A, and all that Viewkeeper treats in its own way. */
export const sqlstates = `
  01000 02000 03000 08006 09000 0A000 0B000 0F000 0L000 0P000 0Z000 10608 20000 21000 22000 23505 24000 25000 26000 27000
  28000 2B000 2BP01 2D000 2F000 34000 38000 39000 3B000 3D000 3F000 40001 40P01 42501 42601 42P01 44000 53000 53100 53200
  54000 55000 55P03 57000 57014 57P01 58000 58030 72000 F0000 HV000 P0000 P0001 P0002 P0003 P0004 XX000 XX001 XX002 VK001 VK002`
  .trim()
  .split(/\s+/)

/**
 * Makes `<schema>.raises(code, s)`, which first warns and then fails, with `s` in every field that a message of the server has.
 */
export const makeRaises = (schema: string): string => `
  create function ${schema}.raises(code text, s text) returns text language plpgsql immutable as $$
  begin
    raise warning using message = s, detail = s, hint = s;
    raise exception using errcode = code, message = s, detail = s, hint = s, column = s, constraint = s, table = s,
      schema = s, datatype = s;
  end $$`
