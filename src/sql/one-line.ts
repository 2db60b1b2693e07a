/** A query on one line, without its comments and spaces that say nothing: no literal of it spans lines. */
export const onOneLine = (query: string): string =>
  query
    .replaceAll(/\s*--.*/g, '')
    .replaceAll(/\n\s*/g, ' ')
    .replaceAll(/('(?:[^']|'')*')(?: (?=[a-z]))?|\s*([=,()<>|]+)\s*/g, (_, text, sign) => text ?? sign)
