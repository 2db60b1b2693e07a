/** Has the shop's cache forget what it made of a view. An event may come twice, which does no harm here. */
export async function handler({ detail }) {
  const answer = await fetch(`${process.env.CACHE_URL}/${encodeURIComponent(detail.view)}`, {
    method: 'PURGE',
  })
  if (!answer.ok) throw new Error(`The cache answered ${answer.status} for ${detail.view}.`)
}
