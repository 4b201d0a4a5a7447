{#- For a model with a column of sentences, most of them `message`: what a person must read of a build. -#}

{#- Stop the build with all the sentences at once. -#}
{% macro stop_with_messages(relation, column='message') %}
    {%- if execute -%}
        {%- set messages = column_values(relation, column, where=column ~ ' is not null') -%}
        {%- if messages -%}
            {%- do exceptions.raise_compiler_error('\n\n' ~ messages | join('\n') ~ '\n') -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{#- Say each sentence as a warning, and go on. -#}
{% macro warn_with_messages(relation) %}
    {%- if execute -%}
        {%- for message in column_values(relation, 'message') -%}
            {%- do exceptions.warn('Warning: ' ~ message) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
