{#- Texts that anybody may see: any that is not known, such as an address in the wrong cell, is `unknown`. -#}

{#- A country as edX has it, a code of two letters. -#}
{% macro known_country(country) -%}
    case when not {{ matches(country, "'[A-Za-z]{2}'") }} then 'unknown' else {{ country }} end
{%- endmacro %}

{#- An enrollment track; in_seed: the same one where seeds/enrollment_tracks.csv has it, else NULL. -#}
{% macro known_track(track, in_seed) -%}
    case when {{ in_seed }} is null and {{ track }} is not null then 'unknown' else {{ track }} end
{%- endmacro %}
