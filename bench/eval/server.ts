/** The server of the bench `eval`: answers every chat completion after 50 ms. Prints its address. */
import { chatReply, sendJson, serve } from '../../src/models/local-endpoint.ts';

const endpoint = await serve(async ({ json }, response) => {
  await new Promise((resolve) => setTimeout(resolve, 50));
  const messages = json?.['messages'] as readonly { readonly content: string }[];
  sendJson(response, chatReply({ text: `out: ${messages.at(-1)!.content}` }));
});
console.log(endpoint.url);
