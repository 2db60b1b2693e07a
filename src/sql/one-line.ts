/** A query of ours on one line, without its comments and the spaces that separate nothing. */
export const onOneLine = (query: string): string =>
  query.replaceAll(
    /('(?:[^']|'')*'|"(?:[^"]|"")*")(?:\s+(?=[a-z]))?|\s*--.*|\s*([=,()<>|]+)\s*|\s+/g,
    (_, quoted, sign) => quoted ?? sign ?? ' ',
  )
