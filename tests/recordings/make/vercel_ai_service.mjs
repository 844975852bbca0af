// A weather agent with the Vercel AI SDK and Restate's middleware; its model is the SDK's own mock.
// node vercel_ai_service.mjs PORT
import http2 from "node:http2";
import * as restate from "@restatedev/restate-sdk";
import { durableCalls } from "@restatedev/vercel-ai-middleware";
import { generateText, stepCountIs, tool, wrapLanguageModel } from "ai";
import { MockLanguageModelV2 } from "ai/test";
import { z } from "zod";

const said = (content, finishReason, inputTokens, outputTokens) => ({
  content,
  finishReason,
  usage: { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens },
  warnings: [],
});

const mock = new MockLanguageModelV2({
  doGenerate: async ({ prompt }) =>
    prompt.at(-1).role === "tool"
      ? said([{ type: "text", text: "In Denver it is sunny, 17 °C." }], "stop", 96, 11)
      : said(
          [
            { type: "text", text: "Let me look." },
            {
              type: "tool-call",
              toolCallId: "call_1",
              toolName: "getWeather",
              input: JSON.stringify({ city: "Denver" }),
            },
          ],
          "tool-calls",
          72,
          14,
        ),
});

let calls = 0;

const agent = restate.service({
  name: "VercelWeather",
  options: { retryPolicy: { initialInterval: { milliseconds: 200 } } },
  handlers: {
    run: async (ctx, { message }) => {
      const { text } = await generateText({
        model: wrapLanguageModel({ model: mock, middleware: durableCalls(ctx) }),
        system: "You are a weather agent.",
        prompt: message,
        tools: {
          getWeather: tool({
            description: "Get the current weather of a city.",
            inputSchema: z.object({ city: z.string() }),
            execute: async ({ city }) =>
              ctx.run("Get weather", async () => {
                calls += 1;
                if (calls === 1) throw new Error("the weather station does not answer");
                return { city, sky: "sunny", temperature_c: 17 };
              }),
          }),
        },
        stopWhen: [stepCountIs(4)],
      });
      return text;
    },
  },
});

const server = http2.createServer(restate.createEndpointHandler({ services: [agent] }));
server.listen(Number(process.argv[2]), "127.0.0.1");
